/* lwIP as a server on a TUN: Debian's library, its raw interface, one thread that reads, answers and writes.
 *
 * Job: answer as `src/peer` says: by port, without HTTP beyond the end of a head. The TUN is standard input.
 * Owns: the loop. Does not know: sockets; the callbacks of lwIP's core are its fastest face.
 * The library decides its own limits: segments of 1,460 bytes, windows and send buffers of 64 KiB.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lwip/opt.h"
#include "lwip/ip4.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"
#include "lwip/tcp.h"
#include "lwip/tcpip.h"

enum { TUN = 0, PACKET = 65535, CLOSE = 81, LARGE = 82, SEND = 8080, DISCARD = 9, BATCH = 64 };

static struct netif ours;
static char *answer;
static size_t length;
static int port;

/* What a connection still has to send, and where in the answers it is. */
struct conn {
    unsigned long long left;
    size_t at;
    unsigned end; /* how much of a head's end was seen */
    int asked;
};

static err_t put(struct netif *n, struct pbuf *p, const ip4_addr_t *to) {
    (void)n, (void)to;
    static char packet[PACKET];
    u16_t len = pbuf_copy_partial(p, packet, sizeof packet, 0);
    return write(TUN, packet, len) == len ? ERR_OK : ERR_BUF;
}

static err_t up(struct netif *n) {
    n->name[0] = 't', n->name[1] = 'n';
    n->mtu = 1500;
    n->output = put;
    n->flags |= NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

static err_t finish(struct tcp_pcb *pcb, struct conn *c) {
    tcp_arg(pcb, NULL), tcp_recv(pcb, NULL), tcp_sent(pcb, NULL), tcp_err(pcb, NULL);
    free(c);
    if (tcp_close(pcb) == ERR_OK) return ERR_OK;
    tcp_abort(pcb);
    return ERR_ABRT;
}

/* Hands over what fits; nothing is copied, the answers never change. */
static err_t fill(struct tcp_pcb *pcb, struct conn *c) {
    while (c->left && tcp_sndbuf(pcb)) {
        size_t len = length - c->at;
        if (len > tcp_sndbuf(pcb)) len = tcp_sndbuf(pcb);
        if (len > c->left) len = c->left;
        if (tcp_write(pcb, answer + c->at, (u16_t)len, len < c->left ? TCP_WRITE_FLAG_MORE : 0) != ERR_OK) break;
        c->at = (c->at + len) % length;
        c->left -= len;
    }
    if (port == CLOSE && c->asked && !c->left) return finish(pcb, c);
    return tcp_output(pcb);
}

static unsigned heads(struct conn *c, const char *bytes, size_t len) {
    unsigned found = 0;
    for (size_t i = 0; i < len; i++) {
        c->end = bytes[i] == "\r\n\r\n"[c->end] ? c->end + 1 : bytes[i] == '\r';
        if (c->end == 4) found++, c->end = 0;
    }
    return found;
}

static err_t sent(void *arg, struct tcp_pcb *pcb, u16_t len) {
    (void)len;
    return fill(pcb, arg);
}

static err_t heard(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t error) {
    struct conn *c = arg;
    (void)error;
    if (!p) return finish(pcb, c);
    tcp_recved(pcb, p->tot_len);
    for (struct pbuf *q = p; q && port != DISCARD; q = q->next) {
        unsigned count = heads(c, q->payload, q->len);
        if (count && port == SEND) c->left = ~0ull;
        else c->left += (unsigned long long)count * length;
        c->asked |= count > 0;
    }
    pbuf_free(p);
    return c->left ? fill(pcb, c) : ERR_OK;
}

static void gone(void *arg, err_t error) {
    (void)error;
    free(arg);
}

static err_t accepted(void *arg, struct tcp_pcb *pcb, err_t error) {
    (void)arg;
    if (error != ERR_OK || !pcb) return ERR_VAL;
    struct conn *c = calloc(1, sizeof *c);
    if (!c) return ERR_MEM;
    tcp_nagle_disable(pcb);
    tcp_arg(pcb, c), tcp_recv(pcb, heard), tcp_sent(pcb, sent), tcp_err(pcb, gone);
    return ERR_OK;
}

static void prepare(void) {
    size_t body = port == LARGE ? 1 << 20 : 100;
    char head[512];
    int len = snprintf(head, sizeof head,
                       "HTTP/1.1 200 OK\r\nServer: peer\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\nContent-Type: text/plain\r\n"
                       "ETag: \"0123456789abcdef-64\"\r\nLast-Modified: Sat, 21 Nov 2026 11:00:00 GMT\r\nAccept-Ranges: bytes\r\n"
                       "Content-Length: %zu\r\n%s\r\n",
                       body, port == CLOSE ? "Connection: close\r\n" : "");
    if (port == SEND) len = 0, body = 1 << 16;
    length = (size_t)len + body;
    answer = malloc(length);
    if (!answer) exit(1);
    memset(answer, 'x', length);
    memcpy(answer, head, (size_t)len);
}

static void ready(void *flag) { *(volatile int *)flag = 1; }

int main(int argc, char **argv) {
    if (argc != 2) return fprintf(stderr, "usage: lwip PORT <TUN\n"), 2;
    port = atoi(argv[1]);
    prepare();
    volatile int done = 0;
    tcpip_init(ready, (void *)&done);
    while (!done) usleep(1000);
    ip4_addr_t address, mask, gateway;
    IP4_ADDR(&address, 10, 79, 0, 2);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    IP4_ADDR(&gateway, 10, 79, 0, 1);
    LOCK_TCPIP_CORE();
    netif_add(&ours, &address, &mask, &gateway, NULL, up, ip4_input);
    netif_set_default(&ours);
    netif_set_up(&ours);
    struct tcp_pcb *listener = tcp_new();
    if (!listener || tcp_bind(listener, IP_ADDR_ANY, (u16_t)port) != ERR_OK) return 1;
    listener = tcp_listen_with_backlog(listener, 255);
    tcp_accept(listener, accepted);
    UNLOCK_TCPIP_CORE();
    static char packet[PACKET];
    for (;;) {
        LOCK_TCPIP_CORE();
        ssize_t len = 0;
        for (int i = 0; i < BATCH && (len = read(TUN, packet, sizeof packet)) > 0; i++) {
            struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)len, PBUF_RAM);
            if (!p) continue;
            memcpy(p->payload, packet, (size_t)len);
            if (ours.input(p, &ours) != ERR_OK) pbuf_free(p);
        }
        UNLOCK_TCPIP_CORE();
        if (len >= 0) continue;
        if (errno != EAGAIN && errno != EINTR) return perror("lwip: the TUN"), 1;
        struct pollfd wait = {.fd = TUN, .events = POLLIN};
        poll(&wait, 1, -1);
    }
}
