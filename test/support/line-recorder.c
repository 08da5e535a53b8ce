/*
 * Loaded into a program (LD_PRELOAD): writes down when it writes to which GPIO line of sysfs, in the program's own time. Each
 * write to a file `.../gpioN/value` becomes a line `N LEVEL NANOSECONDS` in the file that LINE_RECORD names.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int number_of(int fd) {
  char link[64], path[256];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return -1;
  path[length] = 0;
  int number = -1;
  char rest[16] = "";
  const char *place = strstr(path, "/class/gpio/gpio");
  if (place == NULL || sscanf(place, "/class/gpio/gpio%d/%15s", &number, rest) != 2) return -1;
  return strcmp(rest, "value") == 0 ? number : -1;
}

static void record(int number, char level, const struct timespec *at) {
  static int file = -2;
  const char *name = getenv("LINE_RECORD");
  if (file == -2) file = name == NULL ? -1 : open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  char line[64];
  int length = snprintf(line, sizeof line, "%d %c %lld\n", number, level,
                        at->tv_sec * 1000000000LL + at->tv_nsec);
  ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
  if (file >= 0) real(file, line, length);
}

static ssize_t recorded(const char *name, int fd, const void *bytes, size_t size, off_t at) {
  ssize_t (*real)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, name);
  struct timespec now;
  ssize_t written = real(fd, bytes, size, at);
  clock_gettime(CLOCK_MONOTONIC, &now);
  int number = size > 0 ? number_of(fd) : -1;
  if (number >= 0) record(number, *(const char *)bytes, &now);
  return written;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) {
  return recorded("pwrite", fd, bytes, size, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t at) {
  return recorded("pwrite64", fd, bytes, size, at);
}
