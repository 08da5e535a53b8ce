/*
 * The floor of the recording bench: what receiving over TLS 1.3 and keeping it durable costs at least. One thread reads
 * every connection and writes what comes to a file of its own; another one syncs every file once a second. No framing,
 * no index, no container, no acknowledgement.
 *
 *   recording-floor PORT CERTIFICATE KEY CA FOLDER
 *
 * Says "listening" and its port on stdout; ends with its standard input.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINKS_MAX = 1024, READ_BYTES = 256 * 1024 };

struct link {
  int socket;
  int file;
  SSL *tls;
  atomic_bool dirty;
};

static struct link links[LINKS_MAX];
static atomic_int link_count;
static unsigned char buffer[READ_BYTES];
static const unsigned char protocol[] = "\x0astarling/1";

static void die(const char *what) {
  fprintf(stderr, "recording-floor: %s: %s\n", what, strerror(errno));
  ERR_print_errors_fp(stderr);
  exit(1);
}

static void *sync_all(void *unused) {
  (void)unused;
  for (;;) {
    sleep(1);
    int count = atomic_load(&link_count);
    for (int i = 0; i < count; i++)
      if (atomic_exchange(&links[i].dirty, 0) && fdatasync(links[i].file) != 0) die("fdatasync");
  }
  return NULL;
}

static int choose(SSL *tls, const unsigned char **out, unsigned char *length, const unsigned char *in,
                  unsigned int in_length, void *unused) {
  (void)tls;
  (void)unused;
  return SSL_select_next_proto((unsigned char **)out, length, protocol, sizeof protocol - 1, in, in_length) ==
                 OPENSSL_NPN_NEGOTIATED
             ? SSL_TLSEXT_ERR_OK
             : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static SSL_CTX *make_context(char **argument) {
  SSL_CTX *context = SSL_CTX_new(TLS_server_method());
  if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1) die("TLS");
  if (SSL_CTX_use_certificate_chain_file(context, argument[2]) != 1) die(argument[2]);
  if (SSL_CTX_use_PrivateKey_file(context, argument[3], SSL_FILETYPE_PEM) != 1) die(argument[3]);
  if (SSL_CTX_load_verify_locations(context, argument[4], NULL) != 1) die(argument[4]);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
  SSL_CTX_set_alpn_select_cb(context, choose, NULL);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, 64 * 1024);
  return context;
}

static void take(int listener, int poller, SSL_CTX *context, const char *folder) {
  int count = atomic_load(&link_count);
  int socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (socket < 0 || count == LINKS_MAX - 1) die("accept");
  struct link *link = &links[count];
  link->socket = socket;
  link->tls = SSL_new(context);
  SSL_set_fd(link->tls, socket);
  /* Blocking: cameras connect one after the other. */
  if (SSL_accept(link->tls) != 1) die("handshake");
  fcntl(socket, F_SETFL, O_NONBLOCK);
  char path[4096];
  snprintf(path, sizeof path, "%s/%d.stream", folder, count);
  link->file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
  if (link->file < 0) die(path);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = link};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, socket, &event) != 0) die("epoll");
  atomic_store(&link_count, count + 1);
}

static void put(struct link *link, size_t filled) {
  for (size_t at = 0; at < filled;) {
    ssize_t written = write(link->file, buffer + at, filled - at);
    if (written <= 0) die("write");
    at += (size_t)written;
  }
  if (filled > 0) atomic_store(&link->dirty, 1);
}

/* Reads until nothing is left, also of what the TLS layer has read ahead. */
static void keep(struct link *link, int poller) {
  size_t filled = 0;
  for (;;) {
    if (filled + 16384 > READ_BYTES) {
      put(link, filled);
      filled = 0;
    }
    int got = SSL_read(link->tls, buffer + filled, (int)(READ_BYTES - filled));
    if (got > 0) {
      filled += (size_t)got;
      continue;
    }
    if (SSL_get_error(link->tls, got) != SSL_ERROR_WANT_READ) {
      ERR_clear_error();
      epoll_ctl(poller, EPOLL_CTL_DEL, link->socket, NULL);
    }
    break;
  }
  put(link, filled);
}

int main(int arguments, char **argument) {
  if (arguments != 6) return 2;
  SSL_CTX *context = make_context(argument);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argument[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 64) != 0) die("listen");
  getsockname(listener, (struct sockaddr *)&address, &length);
  int poller = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
  event.data.ptr = &links[LINKS_MAX - 1];
  links[LINKS_MAX - 1].socket = STDIN_FILENO;
  epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &event);
  pthread_t syncer;
  if (pthread_create(&syncer, NULL, sync_all, NULL) != 0) die("thread");
  printf("listening %d\n", ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    struct epoll_event ready[256];
    int count = epoll_wait(poller, ready, 256, -1);
    for (int i = 0; i < count; i++) {
      struct link *link = ready[i].data.ptr;
      if (link == NULL) take(listener, poller, context, argument[5]);
      else if (link->socket == STDIN_FILENO) return 0;
      else keep(link, poller);
    }
  }
}
