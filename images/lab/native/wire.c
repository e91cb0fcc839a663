/* The wire's quick way in C: plain frames go from the ring to the link, one hop on, and none is copied by us.
 *
 * It does what lab/router/fast.py does with NumPy, and knows nothing else: a frame to our hardware address, IPv4 without
 * options or IPv6 with TCP, sound, small enough, with hops left, from one known host to the other. Such a frame gets its
 * hardware addresses, TTL and checksum where it lies, and sendmmsg puts a burst of them on the link. The first frame
 * that is not plain ends the turn: the router in Python takes it (lab/router/native.py). Tests hold both ways and the
 * router to the same octets.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

enum { SLOT = 2048, ETHERNET = 14, BURST = 512, PAIRS = 8, USER = 1 };
enum { TURNS = 32 }; /* between two looks at the door while frames keep coming */
enum { TIME_UP, ODD, DOOR, SIGNAL };

struct Header { /* struct tpacket2_hdr */
    uint32_t status, length, captured;
    uint16_t mac, net;
    uint32_t seconds, nanoseconds;
    uint16_t tag, tag_type;
    uint8_t padding[4];
};

struct Pair { /* from whom to whom, and the receiver's hardware address */
    uint8_t version, mac[6], filler;
    uint8_t ends[32]; /* source and destination, as they stand in the packet */
};

struct Wire { /* native.py has the same */
    uint8_t *ring;
    uint64_t forwarded, refused;
    uint32_t slots, next, mtu, pair_count;
    int32_t in, out;
    uint8_t mac[6], filler[2];
    struct Pair pairs[PAIRS];
};

static uint32_t word(const uint8_t *at) { return (uint32_t)at[0] << 8 | at[1]; }

static const struct Pair *pair_of(const struct Wire *wire, int version, const uint8_t *ends, size_t octets) {
    for (uint32_t number = 0; number < wire->pair_count; number++) {
        const struct Pair *pair = wire->pairs + number;
        if (pair->version == version && !memcmp(pair->ends, ends, octets)) return pair;
    }
    return 0;
}

/* One hop on, in place. Returns how many octets to send; 0 if the frame is not plain, and then nothing has changed. */
static uint32_t hop(const struct Wire *wire, uint8_t *frame, uint32_t captured) {
    const struct Pair *pair;
    uint32_t length;
    if (captured < ETHERNET + 40 || memcmp(frame, wire->mac, 6)) return 0;
    if (frame[12] == 0x08 && frame[13] == 0x00) {
        uint32_t sum = 0;
        for (int at = 14; at < 34; at += 2) sum += word(frame + at);
        sum = (sum & 0xFFFF) + (sum >> 16);
        sum = (sum & 0xFFFF) + (sum >> 16);
        length = word(frame + 16);
        if (frame[14] != 0x45 || sum != 0xFFFF || frame[22] < 2 || length < 20) return 0;
        pair = pair_of(wire, 4, frame + 26, 8);
    } else if (frame[12] == 0x86 && frame[13] == 0xDD) {
        length = word(frame + 18) + 40;
        if (captured < ETHERNET + 40 || frame[14] >> 4 != 6 || frame[20] != 6 || frame[21] < 2) return 0;
        pair = pair_of(wire, 6, frame + 22, 32);
    } else {
        return 0;
    }
    if (!pair || length > wire->mtu || ETHERNET + length > captured) return 0;
    memcpy(frame, pair->mac, 6);
    memcpy(frame + 6, wire->mac, 6);
    if (pair->version == 6) {
        frame[21]--;
    } else {
        /* RFC 1624 eqn. 3: the TTL is its word's upper octet, so the sum of the header goes down by 0x0100 and its
         * complement up; a carry goes around. 0xFFFF, the other zero, is never the right checksum. */
        uint32_t sum = word(frame + 24) + 0x0100;
        sum += sum >= 0xFFFF;
        frame[22]--;
        frame[24] = (uint8_t)(sum >> 8);
        frame[25] = (uint8_t)sum;
    }
    return ETHERNET + length;
}

static void send_all(struct Wire *wire, struct mmsghdr *messages, uint32_t count) {
    for (uint32_t done = 0; done < count;) {
        int sent = sendmmsg(wire->out, messages + done, count - done, 0);
        if (sent > 0) {
            done += (uint32_t)sent;
        } else if (errno != EINTR && errno != EAGAIN) { /* what the kernel refuses is counted and passed over */
            wire->refused++;
            done++;
        }
    }
}

/* Forward what is plain, a burst at most. Returns how many; *odd tells whether the next frame is there and is not. */
uint32_t wire_turn(struct Wire *wire, int32_t *odd) {
    static struct iovec vectors[BURST];
    static struct mmsghdr messages[BURST];
    uint32_t count = 0, first = wire->next;
    *odd = 0;
    while (count < BURST && count < wire->slots) {
        uint8_t *slot = wire->ring + (size_t)((first + count) % wire->slots) * SLOT;
        struct Header *header = (struct Header *)slot;
        if (!(__atomic_load_n(&header->status, __ATOMIC_ACQUIRE) & USER)) break;
        uint32_t octets = header->captured == header->length ? hop(wire, slot + header->mac, header->captured) : 0;
        if (!octets) {
            *odd = 1;
            break;
        }
        vectors[count].iov_base = slot + header->mac;
        vectors[count].iov_len = octets;
        messages[count].msg_hdr.msg_iov = vectors + count;
        messages[count].msg_hdr.msg_iovlen = 1;
        count++;
    }
    send_all(wire, messages, count);
    for (uint32_t number = 0; number < count; number++) {
        struct Header *header = (struct Header *)(wire->ring + (size_t)((first + number) % wire->slots) * SLOT);
        __atomic_store_n(&header->status, 0, __ATOMIC_RELEASE);
    }
    wire->next = (first + count) % wire->slots;
    wire->forwarded += count;
    return count;
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Forward until something else is to be done: a frame that is not plain, somebody at the door, a signal, the time. */
int32_t wire_run(struct Wire *wire, int32_t door, int32_t patience_ms) {
    int64_t end_ms = now_ms() + patience_ms, left_ms = patience_ms;
    for (;;) {
        struct pollfd arms[2] = {{wire->in, POLLIN, 0}, {door, POLLIN, 0}};
        int ready = poll(arms, 2, left_ms > 0 ? (int)left_ms : 0);
        if (ready < 0) return SIGNAL;
        int32_t odd = 0;
        for (int turn = 0; turn < TURNS && wire_turn(wire, &odd) && !odd; turn++) {}
        if (odd) return ODD;
        if (arms[0].revents & POLLERR) { /* the interface went down: asked for, the error is gone, and poll sleeps */
            int error;
            socklen_t size = sizeof error;
            getsockopt(wire->in, SOL_SOCKET, SO_ERROR, &error, &size);
        }
        if (arms[1].revents) return DOOR;
        left_ms = end_ms - now_ms();
        if (left_ms <= 0) return TIME_UP;
    }
}
