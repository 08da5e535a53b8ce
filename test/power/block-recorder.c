/*
 * A disk that remembers what reached it, and when. Serves one file, `disk`, the image of a disk, from a FUSE file system
 * and appends to a journal each write and each completed flush. What a disk of the real world may hold after a power cut
 * follows from the journal alone: everything before the last flush, and of the rest whatever it had got to.
 *
 *   block-recorder IMAGE JOURNAL FLUSH_MS MOUNTPOINT
 *
 * Invariants: one thread, so that the journal's order is the order in which requests were done; a record is in the
 * journal, whole, before the request is answered, so whoever knows of a completed flush finds it in the journal. A flush
 * takes FLUSH_MS, as on a real disk: otherwise what happens just before it could not be told from what happens after.
 *
 * A record: 32 bytes, little-endian u32 magic, u32 kind (1 write, 2 flush), u64 offset, u64 length, u64 ns UTC; then,
 * for a write, its data.
 */
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define RECORD_MAGIC 0x31524253u /* "SBR1" */
enum { KIND_WRITE = 1, KIND_FLUSH = 2 };

struct record {
    uint32_t magic;
    uint32_t kind;
    uint64_t offset;
    uint64_t length;
    uint64_t utc_ns;
};

static const char disk_path[] = "/disk";
static int image = -1;
static int journal = -1;
static long flush_ms;

/* The record and its data in one write: whoever reads the journal's length never sees half a record. */
static int append(uint32_t kind, uint64_t offset, const char *data, uint64_t length)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct record record = {
        .magic = RECORD_MAGIC,
        .kind = kind,
        .offset = offset,
        .length = length,
        .utc_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
    };
    struct iovec parts[2] = {
        {.iov_base = &record, .iov_len = sizeof record},
        {.iov_base = (void *)data, .iov_len = data == NULL ? 0 : length},
    };
    ssize_t expected = (ssize_t)(parts[0].iov_len + parts[1].iov_len);
    if (writev(journal, parts, 2) == expected)
        return 0;
    /* Half a record makes the whole journal useless: better no disk at all. */
    fprintf(stderr, "block-recorder: the journal cannot be written: %s\n", strerror(errno));
    abort();
}

static int disk_getattr(const char *path, struct stat *attributes, struct fuse_file_info *file)
{
    (void)file;
    memset(attributes, 0, sizeof *attributes);
    if (strcmp(path, "/") == 0) {
        attributes->st_mode = S_IFDIR | 0700;
        attributes->st_nlink = 2;
        return 0;
    }
    if (strcmp(path, disk_path) != 0)
        return -ENOENT;
    struct stat own;
    if (fstat(image, &own) != 0)
        return -errno;
    attributes->st_mode = S_IFREG | 0600;
    attributes->st_nlink = 1;
    attributes->st_size = own.st_size;
    return 0;
}

static int disk_open(const char *path, struct fuse_file_info *file)
{
    if (strcmp(path, disk_path) != 0)
        return -ENOENT;
    /* No second cache between the loop device and this program. */
    file->direct_io = 1;
    return 0;
}

static int disk_read(const char *path, char *buffer, size_t size, off_t offset, struct fuse_file_info *file)
{
    (void)path;
    (void)file;
    ssize_t got = pread(image, buffer, size, offset);
    return got < 0 ? -errno : (int)got;
}

static int disk_write(const char *path, const char *data, size_t size, off_t offset, struct fuse_file_info *file)
{
    (void)path;
    (void)file;
    ssize_t put = pwrite(image, data, size, offset);
    if (put < 0)
        return -errno;
    append(KIND_WRITE, (uint64_t)offset, data, (uint64_t)put);
    return (int)put;
}

static int disk_fsync(const char *path, int data_only, struct fuse_file_info *file)
{
    (void)path;
    (void)data_only;
    (void)file;
    struct timespec pause = {.tv_sec = flush_ms / 1000, .tv_nsec = flush_ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
    append(KIND_FLUSH, 0, NULL, 0);
    return 0;
}

static const struct fuse_operations operations = {
    .getattr = disk_getattr,
    .open = disk_open,
    .read = disk_read,
    .write = disk_write,
    .fsync = disk_fsync,
};

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: block-recorder IMAGE JOURNAL FLUSH_MS MOUNTPOINT\n");
        return 2;
    }
    image = open(argv[1], O_RDWR | O_CLOEXEC);
    journal = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    flush_ms = strtol(argv[3], NULL, 10);
    if (image < 0 || journal < 0) {
        fprintf(stderr, "block-recorder: %s\n", strerror(errno));
        return 1;
    }
    /* In the foreground, one thread. */
    char *arguments[] = {argv[0], "-f", "-s", argv[4], NULL};
    return fuse_main(4, arguments, &operations, NULL);
}
