/* lwIP as a host for `differential`: Debian's library, its sockets, packets over a socket to our stack.
 *
 * Job: hear `ROLE ADDRESS PORT SCRIPT` by lines of standard input, play the role, say the outcomes.
 * usage: lwip SOCKET, a listening SOCK_SEQPACKET. Its addresses are 10.77.0.1 and fd77::1 as the opener, .2 and
 * ::2 as the listener: told by the second argument, 1 or 2.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>
#include <poll.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#include "lwip/opt.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"
#include "lwip/tcp.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/tcpip.h"
#include "lwip/ip6_addr.h"

/* The library's sockets speak the system's structures; their headers would clash with the system's. */
int lwip_socket(int, int, int);
int lwip_bind(int, const struct sockaddr *, socklen_t);
int lwip_listen(int, int);
int lwip_accept(int, struct sockaddr *, socklen_t *);
int lwip_connect(int, const struct sockaddr *, socklen_t);
ssize_t lwip_recv(int, void *, size_t, int);
ssize_t lwip_send(int, const void *, size_t, int);
int lwip_shutdown(int, int);
int lwip_close(int);
int lwip_fcntl(int, int, int);
int lwip_poll(struct pollfd *, nfds_t, int);
int lwip_getsockopt(int, int, int, void *, socklen_t *);

enum { LINES = 8, STEPS = 64, PIECE = 16384 };
static int cable;
static struct netif ours;

static err_t put(struct pbuf *p) {
    char packet[2048];
    u16_t len = pbuf_copy_partial(p, packet, sizeof packet, 0);
    return send(cable, packet, len, 0) == len ? ERR_OK : ERR_BUF;
}

static err_t out4(struct netif *n, struct pbuf *p, const ip4_addr_t *to) {
    (void)n, (void)to;
    return put(p);
}

static err_t out6(struct netif *n, struct pbuf *p, const ip6_addr_t *to) {
    (void)n, (void)to;
    return put(p);
}

static err_t up(struct netif *n) {
    n->name[0] = 'c', n->name[1] = 'b';
    n->mtu = 1500;
    n->output = out4;
    n->output_ip6 = out6;
    n->flags |= NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

static void *reader(void *unused) {
    char packet[2048];
    ssize_t len;
    while ((len = recv(cable, packet, sizeof packet, 0)) > 0) {
        struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)len, PBUF_RAM);
        if (!p) continue;
        pbuf_take(p, packet, (u16_t)len);
        if (ours.input(p, &ours) != ERR_OK) pbuf_free(p);
    }
    exit(0);
    return unused;
}

struct line {
    int listener, sock, port, opened, done, connects;
    char kind[STEPS];
    unsigned long number[STEPS];
    int steps, at, targeted, sending, end; /* end: 0 none, 1 finished, 2 reset */
    uint64_t sent, goal, target, heard, hash, until;
    unsigned salt;
    char seen[64];
};

static uint64_t millis(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static unsigned char byte(unsigned salt, uint64_t at) {
    return (unsigned char)((at + (uint64_t)salt * 977) * 0x9e3779b97f4a7c15u >> 40);
}

static int over(struct line *l, const char *seen) {
    if (seen) strcat(strcat(l->seen, ":"), seen);
    if (l->sock >= 0) lwip_close(l->sock);
    if (l->listener >= 0) lwip_close(l->listener);
    l->sock = l->listener = -1;
    return l->done = 1;
}

/* Takes in what has come; whether that was anything. */
static int hear(struct line *l) {
    unsigned char piece[PIECE];
    if (l->end) return 0;
    ssize_t len = lwip_recv(l->sock, piece, sizeof piece, 0);
    if (len < 0 && (errno == EWOULDBLOCK || errno == EAGAIN)) return 0;
    if (len <= 0) {
        l->end = len == 0 ? 1 : 2;
        return 1;
    }
    for (ssize_t i = 0; i < len; i++) {
        if (piece[i] != byte(l->salt ^ 1, l->heard + (uint64_t)i)) {
            fprintf(stderr, "lwip: byte %" PRIu64 " is another\n", l->heard + (uint64_t)i);
            exit(1);
        }
        l->hash = (l->hash ^ piece[i]) * 0x100000001b3u;
    }
    l->heard += (uint64_t)len;
    return 1;
}

static const char *ends[] = {"", "finished", "reset"};

static int opened(struct line *l) {
    if (l->listener >= 0 && l->sock < 0) {
        l->sock = lwip_accept(l->listener, NULL, NULL);
        if (l->sock < 0) return 0;
        lwip_fcntl(l->sock, F_SETFL, O_NONBLOCK);
    } else if (l->connects) {
        struct pollfd p = {.fd = l->sock, .events = POLLOUT};
        if (lwip_poll(&p, 1, 0) <= 0) return 0;
        int error = 0;
        socklen_t size = sizeof error;
        lwip_getsockopt(l->sock, SOL_SOCKET, SO_ERROR, &error, &size);
        /* It has one word for a reset and for a refusal. */
        if (error) return over(l, error == ECONNREFUSED || error == ECONNRESET ? "refused" : "lost");
    }
    return l->opened = 1;
}

static int say(struct line *l) {
    if (l->end == 2) return over(l, "reset");
    if (!l->sending) l->goal = l->sent + l->number[l->at], l->sending = 1;
    if (l->sent == l->goal) {
        l->sending = 0;
        l->at++;
        return 1;
    }
    unsigned char piece[PIECE];
    size_t len = l->goal - l->sent < PIECE ? l->goal - l->sent : PIECE;
    for (size_t i = 0; i < len; i++) piece[i] = byte(l->salt, l->sent + i);
    ssize_t taken = lwip_send(l->sock, piece, len, 0);
    if (taken < 0 && (errno == EWOULDBLOCK || errno == EAGAIN)) return 0;
    if (taken < 0) return over(l, "reset");
    l->sent += (uint64_t)taken;
    return taken > 0;
}

static int step(struct line *l) {
    if (l->done) return 0;
    if (!l->opened) return opened(l);
    if (l->at == l->steps) return over(l, NULL);
    switch (l->kind[l->at]) {
    case 't':
        if (!l->until) l->until = millis() + l->number[l->at];
        if (millis() < l->until) return 0;
        l->until = 0;
        return ++l->at;
    case 's':
        return hear(l) || say(l);
    case 'x':
        if (hear(l)) return 1;
        if (!l->targeted) l->target += l->number[l->at], l->targeted = 1;
        if (l->heard < l->target) return l->end ? over(l, ends[l->end]) : 0;
        l->targeted = 0;
        return ++l->at;
    case 'e':
        if (hear(l)) return 1;
        if (!l->end) return 0;
        strcat(strcat(l->seen, ":"), ends[l->end]);
        return ++l->at;
    case 'f':
        lwip_shutdown(l->sock, SHUT_WR);
        return ++l->at;
    case 'a': {
        /* SO_LINGER of zero resets here only if something is unsent or unacknowledged: ask TCP itself. */
        LOCK_TCPIP_CORE();
        struct tcp_pcb *pcb = tcp_active_pcbs;
        while (pcb && (l->connects ? pcb->remote_port : pcb->local_port) != l->port) pcb = pcb->next;
        if (pcb) tcp_abort(pcb);
        UNLOCK_TCPIP_CORE();
        return over(l, NULL);
    }
    default:
        return over(l, NULL);
    }
}

static void read_steps(struct line *l, char *text) {
    char *save;
    for (char *w = strtok_r(text, " \n", &save); w && l->steps < STEPS; w = strtok_r(NULL, " \n", &save)) {
        char *number = strchr(w, ':');
        l->number[l->steps] = number ? strtoul(number + 1, NULL, 10) : 0;
        const char *names[] = {"send", "expect", "stall", "end", "finish", "abort", "close"};
        for (int i = 0; i < 7; i++)
            if (strlen(names[i]) == strcspn(w, ":") && !strncmp(w, names[i], strlen(names[i])))
                l->kind[l->steps] = "sxtefac"[i];
        l->steps++;
    }
}

/* `at`: where the connections are listened for, or lead. */
static void open_line(struct line *l, int listener, int served, const char *address, int port) {
    struct sockaddr_storage at = {0};
    int six = strchr(address, ':') != NULL;
    socklen_t size = six ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (six) {
        struct sockaddr_in6 *a = (void *)&at;
        a->sin6_family = AF_INET6, a->sin6_port = htons((uint16_t)port);
        inet_pton(AF_INET6, address, &a->sin6_addr);
    } else {
        struct sockaddr_in *a = (void *)&at;
        a->sin_family = AF_INET, a->sin_port = htons((uint16_t)port);
        inet_pton(AF_INET, address, &a->sin_addr);
    }
    if (listener && !served) return;
    int s = lwip_socket(six ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
    if (listener) {
        if (lwip_bind(s, (void *)&at, size) || lwip_listen(s, 8)) perror("lwip: listen"), exit(1);
        lwip_fcntl(s, F_SETFL, O_NONBLOCK);
        l->listener = s;
    } else {
        lwip_fcntl(s, F_SETFL, O_NONBLOCK);
        if (lwip_connect(s, (void *)&at, size) && errno != EINPROGRESS) perror("lwip: connect"), exit(1);
        l->sock = s, l->connects = 1;
    }
}

static void play(char *order) {
    struct line lines[LINES];
    char address[64], role[16];
    int port, used = 0, count = 0;
    if (sscanf(order, "%15s %63s %d %n", role, address, &port, &used) < 3) exit(1);
    char *script = order + used;
    int listener = !strcmp(role, "listener"), served = strchr(script, '/') != NULL;
    while (script && count < LINES) {
        struct line *l = &lines[count];
        memset(l, 0, sizeof *l);
        l->sock = l->listener = -1;
        l->hash = 0xcbf29ce484222325u;
        l->salt = (unsigned)count * 2 + !listener;
        char *one = strsep(&script, ";"), *other = strchr(one, '/');
        if (other) *other++ = 0;
        read_steps(l, listener ? (other ? other : "") : one);
        l->port = port + count++;
        open_line(l, listener, served, address, l->port);
    }
    printf("~ ready\n"), fflush(stdout);
    if (listener && !served) count = 0;
    for (int left = count, moved; left;) {
        moved = left = 0;
        for (int i = 0; i < count; i++) {
            while (step(&lines[i])) moved = 1;
            left += !lines[i].done;
        }
        if (!moved && left) usleep(500);
    }
    printf("~");
    for (int i = 0; i < count; i++)
        printf(" %" PRIu64 ":%016" PRIx64 "%s", lines[i].heard, lines[i].hash, lines[i].seen);
    printf(count ? "\n" : " \n");
    fflush(stdout);
}

static void ready(void *flag) { *(volatile int *)flag = 1; }

int main(int argc, char **argv) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (argc != 3) return 2;
    strncpy(at.sun_path, argv[1], sizeof at.sun_path - 1);
    cable = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    if (connect(cable, (void *)&at, sizeof at)) return perror("lwip: cable"), 1;
    volatile int done = 0;
    tcpip_init(ready, (void *)&done);
    while (!done) usleep(1000);
    ip4_addr_t four, mask, gateway;
    IP4_ADDR(&four, 10, 77, 0, (u8_t)atoi(argv[2]));
    IP4_ADDR(&mask, 255, 255, 255, 0);
    IP4_ADDR(&gateway, 0, 0, 0, 0);
    LOCK_TCPIP_CORE();
    netif_add(&ours, &four, &mask, &gateway, NULL, up, tcpip_input);
    ip6_addr_t six;
    IP6_ADDR(&six, PP_HTONL(0xfd770000), 0, 0, PP_HTONL((u32_t)atoi(argv[2])));
    netif_ip6_addr_set(&ours, 1, &six);
    netif_ip6_addr_set_state(&ours, 1, IP6_ADDR_PREFERRED);
    netif_set_default(&ours);
    netif_set_up(&ours);
    UNLOCK_TCPIP_CORE();
    pthread_t thread;
    pthread_create(&thread, NULL, reader, NULL);
    char *order = NULL;
    size_t room = 0;
    while (getline(&order, &room, stdin) > 0) play(order);
    return 0;
}
