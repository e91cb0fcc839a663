/* The tap's hot path: frames of plain TCP segments go from the ring into their sessions' blocks in one pass.
 *
 * What is not plain goes to Python, which understands everything (lab/wire/parse.py, lab/session). Here only those
 * segments are taken that change nothing but counters: the next octets in order, an acknowledgment that goes on, within
 * the window, no flag but ACK and PSH, good checksums, no option but timestamps. Python says between which two ends a
 * session is in that state, and where both ends stand (lane_arm); here each segment is checked against that, added up,
 * and its packet block (pcapng) put behind those of its session. Python writes the blocks from time to time (lane_written),
 * and takes the sums (lane_begin) when a segment comes that is not plain, or when somebody asks. lab/capture/{columns,runs}.py and lab/store/bulk.py do the
 * same with NumPy where this library is not there; tests hold the two together.
 *
 * Every length is checked before anything is read: a frame is only what the ring's header says that was captured of it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ACK = 0x10, PSH = 0x08 };
enum { NOT_TCP = 0, KEYED = 1, PLAIN = 2 }; /* what is known of a frame */
enum { SLOTS = 1 << 15, MOST_SESSIONS = 1 << 14, FORMS = 6, PLACES = 3 };
enum { HEAD = 28, TAIL = 16, DIGITS = 12, GROUP = 16, AHEAD = 2048, LINE = 64, PIECE = 16 };
enum { MOST_KEPT = 4096 }; /* LINE_BYTES of lab.session.observe: a longer text is not compared with its echo */
#define LARGEST_NUMBER 999999999999LL

/* Where the parts of struct tpacket3_hdr and of the sockaddr_ll behind it lie (packet_mmap.rst). */
enum { NEXT = 0, SECONDS = 4, NANOSECONDS = 8, CAPTURED = 12, LENGTH = 16, MAC_AT = 24, PACKET_TYPE = 48 + 10 };
enum { OUTGOING = 4 };

typedef struct {
    int64_t seq_rel;     /* number of its next octet, from its ISN */
    int64_t ack_rel;     /* the highest number of the peer that it has acknowledged */
    int64_t limit_rel;   /* how far its peer lets it send */
    int64_t shift;       /* of its window */
    int64_t seq_raw;     /* the same as seq_rel and ack_rel, as they stand in the header */
    int64_t ack_raw;
    int64_t frames;      /* from here on: what it sent in this run, see lab.session.bulk.Run */
    int64_t data_frames;
    int64_t octets;
    int64_t largest;
    int64_t window_raw;
    int64_t edge_rel;
    int64_t last_data;   /* which frame of the run, from 1, was its last with text; 0: none */
    int64_t last_payload_at; /* where that text lies in the session's octets */
    int64_t last_payload_bytes;
    int64_t unanswered;
} End;

typedef struct {
    End ends[2];         /* client, server */
    int64_t frames;      /* in this run */
    int64_t last_ns;     /* the latest frame's time */
    int64_t unwritten;   /* frames of this run whose blocks still wait here, */
    int64_t octets_from; /* from this place in octets */
    int64_t octets_used; /* to this one; before them lie payloads that are kept */
    uint8_t *octets;
    int64_t octets_room;
    uint64_t key[5];     /* smaller end's address, larger one's, ports and version */
    uint32_t slot;
    uint8_t in_use, stopped, client_is_larger, known_letters, new_letters, listed;
} Session;

typedef struct {
    const uint8_t *parts[PLACES + 1]; /* the text before, between and behind its numbers */
    int32_t bytes[PLACES + 1];
    int32_t numbers, most_bytes;
} Form;

typedef struct {
    int64_t at;      /* where the frame's header lies in the memory */
    int32_t session; /* -1: none is known here */
    int32_t what;    /* NOT_TCP or KEYED */
} Slow;

typedef struct {
    Form forms[FORMS];
    uint8_t *texts;
    int32_t *slots;      /* hash table: session number + 1, 0: free */
    Session *sessions;
    int32_t *free;
    int32_t free_count, in_use;
    int64_t waiting_bytes, room_bytes;
    int32_t touched_count;
    int32_t *touched;    /* sessions with a run */
} Lane;

typedef struct {
    uint64_t key[5];
    uint32_t seq, ack, flags, window;
    int32_t payload_at, payload_bytes;
    uint8_t from_larger, what;
} Segment;

static inline uint32_t get16(const uint8_t *at) { return (uint32_t)at[0] << 8 | at[1]; }
static inline uint32_t get32(const uint8_t *at) { uint32_t v; memcpy(&v, at, 4); return __builtin_bswap32(v); }
static inline uint32_t host32(const uint8_t *at) { uint32_t v; memcpy(&v, at, 4); return v; }
static inline uint16_t host16(const uint8_t *at) { uint16_t v; memcpy(&v, at, 2); return v; }
static inline void put32(uint8_t *at, uint32_t v) { memcpy(at, &v, 4); }

/* The sum of 16-bit words, for the Internet checksum (RFC 1071), in the machine's order; not folded. */
static uint64_t added(const uint8_t *at, int64_t bytes, uint64_t sum)
{
    uint64_t other = 0;
    for (; bytes >= 8; at += 8, bytes -= 8) {
        sum += host32(at);
        other += host32(at + 4);
    }
    sum += other;
    for (; bytes >= 2; at += 2, bytes -= 2)
        sum += host16(at);
    if (bytes) {
        uint8_t last[2] = {*at, 0}; /* as if a zero followed */
        sum += host16(last);
    }
    return sum;
}

static int is_right(uint64_t sum) /* with the checksum itself added, all ones come out */
{
    sum = (sum & 0xFFFFFFFF) + (sum >> 32);
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = (sum & 0xFFFF) + (sum >> 16);
    return sum == 0xFFFF;
}

/* Read a frame's headers. Leaves what = NOT_TCP where the two ends are not known from fixed places. */
static void read_segment(const uint8_t *frame, int64_t captured, int64_t length, Segment *s)
{
    int64_t ip_bytes, tcp_bytes, tcp_at;
    const uint8_t *tcp;
    uint64_t pseudo;
    uint32_t ports[2];

    s->what = NOT_TCP;
    memset(s->key, 0, sizeof s->key);
    if (captured < 54)
        return;
    uint32_t type = get16(frame + 12);
    if (type == 0x0800) {
        if (frame[14] != 0x45 || (get16(frame + 20) & 0x3FFF) || frame[23] != 6)
            return;
        tcp_at = 34;
        ip_bytes = get16(frame + 16);
        tcp_bytes = ip_bytes - 20;
        s->key[0] = get32(frame + 26), s->key[2] = get32(frame + 30);
        pseudo = added(frame + 26, 8, 0);
    } else if (type == 0x86DD) {
        if (captured < 74 || frame[14] >> 4 != 6 || frame[20] != 6)
            return;
        tcp_at = 54;
        tcp_bytes = get16(frame + 18);
        ip_bytes = tcp_bytes + 40;
        memcpy(&s->key[0], frame + 22, 32);
        pseudo = added(frame + 22, 32, 0);
    } else
        return;
    tcp = frame + tcp_at;
    s->what = KEYED;
    ports[0] = get16(tcp), ports[1] = get16(tcp + 2);
    int same_high = s->key[0] == s->key[2], same = same_high && s->key[1] == s->key[3];
    s->from_larger = same ? ports[0] > ports[1] : same_high ? s->key[1] > s->key[3] : s->key[0] > s->key[2];
    if (s->from_larger) {
        uint64_t high = s->key[0], low = s->key[1];
        s->key[0] = s->key[2], s->key[1] = s->key[3];
        s->key[2] = high, s->key[3] = low;
    }
    s->key[4] = (uint64_t)type << 32 | ports[s->from_larger] << 16 | ports[!s->from_larger];
    s->seq = get32(tcp + 4), s->ack = get32(tcp + 8);
    s->flags = tcp[13], s->window = get16(tcp + 14);

    int64_t header = (tcp[12] >> 4) * 4;
    s->payload_at = (int32_t)(tcp_at + header);
    s->payload_bytes = (int32_t)(tcp_bytes - header);
    if (captured != length || tcp_bytes < header || ip_bytes + 14 > captured || (tcp[12] & 0x0F))
        return;
    if (header != 20 && (header != 32 || get32(tcp + 20) != 0x0101080A))
        return;
    if (tcp_at == 34 && !is_right(added(frame + 14, 20, 0)))
        return;
    uint8_t rest[4] = {0, 6, (uint8_t)(tcp_bytes >> 8), (uint8_t)tcp_bytes};
    if (is_right(added(tcp, tcp_bytes, added(rest, 4, pseudo))))
        s->what = PLAIN;
}

static uint32_t slot_of(const uint64_t key[5])
{
    uint64_t mixed = 0;
    for (int i = 0; i < 5; i++)
        mixed = (mixed ^ key[i]) * 0x9E3779B97F4A7C15u, mixed ^= mixed >> 29;
    return (uint32_t)(mixed >> 32) & (SLOTS - 1);
}

static int same_key(const uint64_t one[5], const uint64_t other[5])
{
    uint64_t differ = 0;
    for (int i = 0; i < 5; i++)
        differ |= one[i] ^ other[i];
    return !differ;
}

static int32_t find(const Lane *lane, const uint64_t key[5], uint32_t slot)
{
    for (;; slot = (slot + 1) & (SLOTS - 1)) {
        int32_t number = lane->slots[slot] - 1;
        if (number < 0)
            return -1;
        if (same_key(lane->sessions[number].key, key))
            return number;
    }
}

static int64_t difference(uint32_t number, int64_t reference) /* the shorter way round (RFC 9293 §3.4) */
{
    return (int32_t)(number - (uint32_t)reference);
}

/* The number's digits. */
static uint8_t *put_number(uint8_t *at, int64_t number)
{
    static const uint32_t tens[] = {10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000};
    uint32_t small = (uint32_t)number; /* divides faster */
    int digits = 1;

    if (number > 0x7FFFFFFF) {
        at = put_number(at, number / 1000000000);
        small = (uint32_t)(number % 1000000000), digits = 9;
    } else
        while (digits < 10 && small >= tens[digits - 1])
            digits++;
    for (uint8_t *last = at + digits; last > at; small /= 10)
        *--last = (uint8_t)('0' + small % 10);
    return at + digits;
}

/* Text of a form; up to PIECE octets behind it are read and written as well. */
static uint8_t *put_part(uint8_t *at, const uint8_t *text, int32_t bytes)
{
    for (int32_t done = 0; done < bytes; done += PIECE)
        memcpy(at + done, text + done, PIECE);
    return at + bytes;
}

/* The form's text with its numbers; returns its length. There is room for most_bytes and a PIECE. */
static int64_t put_text(uint8_t *at, const Form *form, const int64_t *numbers)
{
    uint8_t *end = at;
    for (int i = 0;; i++) {
        end = put_part(end, form->parts[i], form->bytes[i]);
        if (i == form->numbers)
            return end - at;
        end = put_number(end, numbers[i]);
    }
}

/* The frame's enhanced packet block, behind those that the session has. Returns 0 if there is no memory. */
static int write_block(Lane *lane, Session *session, const uint8_t *header, const uint8_t *frame, const Form *form,
                       const int64_t *numbers)
{
    int64_t captured = host32(header + CAPTURED), padded = (captured + 3) & ~3;
    int64_t most = HEAD + padded + 4 + form->most_bytes + PIECE + TAIL;
    if (session->octets_used + most > session->octets_room) {
        int64_t room = session->octets_room ? 2 * session->octets_room : 8192;
        while (room < session->octets_used + most)
            room *= 2;
        uint8_t *larger = realloc(session->octets, (size_t)room);
        if (!larger)
            return 0;
        lane->room_bytes += room - session->octets_room;
        session->octets = larger, session->octets_room = room;
    }
    uint8_t *at = session->octets + session->octets_used;
    uint64_t time_ns = (uint64_t)host32(header + SECONDS) * 1000000000u + host32(header + NANOSECONDS);
    uint8_t *text_at = at + HEAD + padded + 4;
    put32(at + HEAD + padded - 4, 0); /* what pads the frame to a multiple of four */
    memcpy(at + HEAD, frame, (size_t)captured);
    int64_t text = put_text(text_at, form, numbers), text_padded = (text + 3) & ~3;
    int64_t size = HEAD + padded + 4 + text_padded + TAIL;
    put32(text_at + text, 0); /* pads it, too; what follows is written over it */
    put32(at, 6), put32(at + 4, (uint32_t)size), put32(at + 8, 0);
    put32(at + 12, (uint32_t)(time_ns >> 32)), put32(at + 16, (uint32_t)time_ns);
    put32(at + 20, (uint32_t)captured), put32(at + 24, host32(header + LENGTH));
    put32(text_at - 4, 1 | (uint32_t)text << 16); /* opt_comment */
    at = text_at + text_padded;
    put32(at, 2 | 4 << 16); /* epb_flags: the way it went */
    put32(at + 4, header[PACKET_TYPE] == OUTGOING ? 2 : 1);
    put32(at + 8, 0); /* opt_endofopt */
    put32(at + 12, (uint32_t)size);
    session->octets_used += size;
    lane->waiting_bytes += size;
    return 1;
}

/* Take a plain segment of a session into account; returns 0, and changes nothing, if it does not just go on. */
static int take(Lane *lane, int32_t number, const Segment *s, const uint8_t *header, const uint8_t *frame)
{
    Session *session = &lane->sessions[number];
    int side = s->from_larger != session->client_is_larger; /* 0: from the client */
    End *own = &session->ends[side], *peer = &session->ends[1 - side];
    int64_t pay = s->payload_bytes;
    int64_t seq_rel = own->seq_rel + difference(s->seq, own->seq_raw);
    int64_t ack_rel = own->ack_rel + difference(s->ack, own->ack_raw);
    int64_t numbers[PLACES];

    if ((s->flags & ~(uint32_t)PSH) != ACK || !s->window || seq_rel != own->seq_rel || ack_rel > peer->seq_rel)
        return 0;
    if (ack_rel < own->ack_rel || (!pay && ack_rel == own->ack_rel) || seq_rel + pay > own->limit_rel)
        return 0;
    uint8_t letter = (uint8_t)(1 << (2 * side + (pay > 0)));
    if (!(session->known_letters & letter)) {
        if (session->new_letters & ~letter)
            return 0; /* the order of two new letters of the history would have to be known */
        session->new_letters |= letter;
    }
    int64_t received = ack_rel > 0 ? ack_rel - 1 : 0, last = seq_rel + pay > 0 ? seq_rel + pay - 1 : 0;
    if (last > LARGEST_NUMBER || received > LARGEST_NUMBER)
        return 0;
    int form = side + (pay ? (ack_rel > own->ack_rel ? 2 : 0) : 4);
    numbers[0] = pay ? seq_rel : received, numbers[1] = last, numbers[2] = received;
    int64_t payload_at = session->octets_used + HEAD + s->payload_at;
    if (!write_block(lane, session, header, frame, &lane->forms[form], numbers))
        return 0;

    if (!session->listed)
        session->listed = 1, lane->touched[lane->touched_count++] = number;
    session->frames++, session->unwritten++;
    int64_t time_ns = (int64_t)host32(header + SECONDS) * 1000000000 + host32(header + NANOSECONDS);
    session->last_ns = time_ns;
    own->frames++;
    own->seq_raw = (uint32_t)(s->seq + (uint32_t)pay), own->seq_rel = seq_rel + pay;
    own->ack_raw = s->ack, own->ack_rel = ack_rel;
    own->window_raw = s->window;
    int64_t edge = ack_rel + ((int64_t)s->window << own->shift);
    if (edge > own->edge_rel)
        own->edge_rel = edge;
    peer->limit_rel = edge;
    if (pay) {
        own->data_frames++, own->octets += pay, own->unanswered++;
        if (pay > own->largest)
            own->largest = pay;
        own->last_data = session->frames;
        own->last_payload_at = payload_at, own->last_payload_bytes = pay;
        peer->unanswered = 0;
    }
    return 1;
}

/* A frame whose headers have been read. Returns 1 if it was taken; else 0, and says in slow what is known of it. */
static int settle(Lane *lane, const uint8_t *memory, int64_t at, const Segment *s, int32_t number, Slow *slow)
{
    if (number >= 0) {
        Session *session = &lane->sessions[number];
        const uint8_t *header = memory + at;
        if (!session->stopped && s->what == PLAIN && take(lane, number, s, header, header + host16(header + MAC_AT)))
            return 1;
        session->stopped = 1; /* what follows has to wait for this one */
    }
    slow->at = at, slow->session = number, slow->what = s->what ? KEYED : NOT_TCP;
    return 0;
}

static void read_frame(const uint8_t *memory, int64_t at, Segment *s)
{
    const uint8_t *header = memory + at;
    read_segment(header + host16(header + MAC_AT), host32(header + CAPTURED), host32(header + LENGTH), s);
}

static inline void ask_for(const void *memory, int bytes, int to_write) /* into the processor's cache */
{
    for (int at = 0; at < bytes; at += LINE)
        if (to_write)
            __builtin_prefetch((const uint8_t *)memory + at, 1);
        else
            __builtin_prefetch((const uint8_t *)memory + at, 0);
}

/* Look at the frames of a block (from header offset *at, *left of them). Stops where slow is full, behind a frame that is
 * no TCP segment, which may concern any session, and when most_bytes of blocks wait. Returns how many slow ones there are.
 *
 * Thousands of sessions don't fit into the processor's cache, and waiting for each would take longer than all the rest.
 * So some frames go through together, step by step, and each step asks for the memory that the next one needs. */
int32_t lane_look(Lane *lane, const uint8_t *memory, int64_t *at, int32_t *left, Slow *slow, int32_t most_slow,
                  int64_t most_bytes)
{
    Segment segments[GROUP];
    int32_t numbers[GROUP], found = 0;
    uint32_t slots[GROUP];
    int64_t places[GROUP];

    while (*left > 0 && found + GROUP <= most_slow && lane->waiting_bytes < most_bytes) {
        int count = 0, last = 0;
        for (; count < GROUP && *left > 0 && !last; count++) {
            places[count] = *at;
            ask_for(memory + *at + AHEAD, 4 * LINE, 0); /* the kernel has written these frames on another processor */
            read_frame(memory, *at, &segments[count]);
            slots[count] = slot_of(segments[count].key);
            ask_for(&lane->slots[slots[count]], 1, 0);
            last = segments[count].what == NOT_TCP;
            *at += host32(memory + *at + NEXT);
            --*left;
        }
        for (int i = 0; i < count; i++) {
            int32_t likely = lane->slots[slots[i]] - 1;
            if (likely >= 0)
                ask_for(&lane->sessions[likely], sizeof(Session), 0);
        }
        for (int i = 0; i < count; i++) {
            numbers[i] = segments[i].what ? find(lane, segments[i].key, slots[i]) : -1;
            if (numbers[i] >= 0)
                ask_for(lane->sessions[numbers[i]].octets + lane->sessions[numbers[i]].octets_used, 6 * LINE, 1);
        }
        for (int i = 0; i < count; i++)
            found += !settle(lane, memory, places[i], &segments[i], numbers[i], &slow[found]);
        if (last)
            break;
    }
    return found;
}

/* The same for one frame: for one that was slow, when its session may have been armed since. */
int32_t lane_try(Lane *lane, const uint8_t *memory, int64_t at, Slow *slow)
{
    Segment s;
    read_frame(memory, at, &s);
    return settle(lane, memory, at, &s, s.what ? find(lane, s.key, slot_of(s.key)) : -1, slow);
}

/* A session is ready: from now on its plain segments are taken here. The frame at this offset is one of its segments;
 * from_server: who sent it. footing: where the client and where the server stands (lab.session.bulk.Footing).
 * Returns its number; -1: no room, or no such segment. */
int32_t lane_arm(Lane *lane, const uint8_t *memory, int64_t at, int32_t from_server, const int64_t footing[12],
                 int32_t known_letters)
{
    const uint8_t *header = memory + at, *frame = header + host16(header + MAC_AT);
    Segment s;

    read_segment(frame, host32(header + CAPTURED), host32(header + LENGTH), &s);
    if (!s.what || !lane->free_count || find(lane, s.key, slot_of(s.key)) >= 0)
        return -1;
    int32_t number = lane->free[--lane->free_count];
    Session *session = &lane->sessions[number];
    uint8_t *octets = session->octets;
    int64_t room = session->octets_room;
    uint8_t listed = session->listed;
    memset(session, 0, sizeof *session);
    session->octets = octets, session->octets_room = room, session->listed = listed;
    memcpy(session->key, s.key, sizeof s.key);
    session->client_is_larger = from_server ? !s.from_larger : s.from_larger;
    session->known_letters = (uint8_t)known_letters;
    session->in_use = 1;
    for (int side = 0; side < 2; side++, footing += 6) {
        End *end = &session->ends[side];
        end->seq_raw = footing[0], end->seq_rel = footing[1], end->ack_raw = footing[2], end->ack_rel = footing[3];
        end->limit_rel = footing[4], end->shift = footing[5];
    }
    uint32_t slot = slot_of(s.key);
    while (lane->slots[slot])
        slot = (slot + 1) & (SLOTS - 1);
    lane->slots[slot] = number + 1;
    session->slot = slot;
    lane->in_use++;
    return number;
}

/* The blocks of a session have been written. The last text of either end is kept, for the sums speak of it. */
void lane_written(Lane *lane, int32_t number)
{
    Session *session = &lane->sessions[number];
    End *first = &session->ends[0], *second = &session->ends[1];
    int64_t kept = 0;

    lane->waiting_bytes -= session->octets_used - session->octets_from;
    if (first->last_payload_at > second->last_payload_at)
        first = second, second = &session->ends[0];
    for (End *end = first;; end = second) { /* in the order in which they lie: so neither is written over */
        if (end->last_payload_bytes <= MOST_KEPT) {
            memmove(session->octets + kept, session->octets + end->last_payload_at, (size_t)end->last_payload_bytes);
            end->last_payload_at = kept, kept += end->last_payload_bytes;
        }
        if (end == second)
            break;
    }
    session->unwritten = 0;
    session->octets_from = session->octets_used = kept;
}

/* The run of a session has been written and taken: begin another one where it ended. */
void lane_begin(Lane *lane, int32_t number)
{
    Session *session = &lane->sessions[number];
    lane->waiting_bytes -= session->octets_used - session->octets_from;
    session->frames = session->unwritten = session->octets_from = session->octets_used = 0;
    session->known_letters |= session->new_letters, session->new_letters = 0;
    for (int side = 0; side < 2; side++) {
        End *end = &session->ends[side];
        end->frames = end->data_frames = end->octets = end->largest = end->edge_rel = end->unanswered = 0;
        end->last_data = end->last_payload_at = end->last_payload_bytes = 0;
    }
}

/* The session is no longer ours (its run must have been taken). The table closes up behind it. */
void lane_disarm(Lane *lane, int32_t number)
{
    Session *session = &lane->sessions[number];
    uint32_t hole = session->slot, slot = hole;

    lane->slots[hole] = 0;
    for (;;) {
        slot = (slot + 1) & (SLOTS - 1);
        int32_t other = lane->slots[slot] - 1;
        if (other < 0)
            break;
        uint32_t home = slot_of(lane->sessions[other].key);
        if (((slot - home) & (SLOTS - 1)) < ((slot - hole) & (SLOTS - 1)))
            continue; /* it would stand before its home */
        lane->slots[hole] = other + 1;
        lane->sessions[other].slot = hole;
        lane->slots[slot] = 0;
        hole = slot;
    }
    session->in_use = 0;
    lane->free[lane->free_count++] = number;
    lane->in_use--;
}

/* Give back the memory of sessions that have no run. */
void lane_trim(Lane *lane)
{
    for (int32_t i = 0; i < MOST_SESSIONS; i++) {
        Session *session = &lane->sessions[i];
        if (session->octets && !session->octets_used) {
            lane->room_bytes -= session->octets_room;
            free(session->octets);
            session->octets = NULL, session->octets_room = 0;
        }
    }
}

void lane_delete(Lane *lane)
{
    for (int i = 0; lane->sessions && i < MOST_SESSIONS; i++)
        free(lane->sessions[i].octets);
    free(lane->texts), free(lane->slots), free(lane->sessions), free(lane->free), free(lane->touched), free(lane);
}

/* texts: the parts of the six comments one after the other; bytes: their lengths, four a comment, -1 for those that are
 * not there. Returns NULL if there is no memory. */
Lane *lane_new(const uint8_t *texts, const int32_t *bytes)
{
    Lane *lane = calloc(1, sizeof *lane);
    int32_t total = 0;

    if (!lane)
        return NULL;
    for (int i = 0; i < FORMS * (PLACES + 1); i++)
        total += bytes[i] > 0 ? bytes[i] : 0;
    lane->texts = malloc((size_t)total + PIECE);
    lane->slots = calloc(SLOTS, sizeof *lane->slots);
    lane->sessions = calloc(MOST_SESSIONS, sizeof *lane->sessions);
    lane->free = malloc(MOST_SESSIONS * sizeof *lane->free);
    lane->touched = malloc(MOST_SESSIONS * sizeof *lane->touched);
    if (!lane->texts || !lane->slots || !lane->sessions || !lane->free || !lane->touched) {
        lane_delete(lane);
        return NULL;
    }
    memcpy(lane->texts, texts, (size_t)total);
    const uint8_t *text = lane->texts;
    for (int i = 0; i < FORMS; i++, bytes += PLACES + 1) {
        Form *form = &lane->forms[i];
        form->numbers = -1, form->most_bytes = PLACES * DIGITS;
        for (int part = 0; part <= PLACES && bytes[part] >= 0; part++) {
            form->parts[part] = text, form->bytes[part] = bytes[part];
            form->most_bytes += bytes[part], text += bytes[part];
            form->numbers++;
        }
    }
    for (int i = 0; i < MOST_SESSIONS; i++)
        lane->free[lane->free_count++] = MOST_SESSIONS - 1 - i;
    return lane;
}

int64_t lane_waiting(const Lane *lane) { return lane->waiting_bytes; }
int64_t lane_room(const Lane *lane) { return lane->room_bytes; }
Session *lane_session(Lane *lane, int32_t number) { return &lane->sessions[number]; }

/* Which sessions have a run. to_book: the list begins anew; else only those with blocks to be written. */
int32_t lane_touched(Lane *lane, int32_t *numbers, int32_t to_book)
{
    int32_t count = 0;
    for (int32_t i = 0; i < lane->touched_count; i++) {
        Session *session = &lane->sessions[lane->touched[i]];
        session->listed = session->listed && !to_book;
        if (session->in_use && (to_book ? session->frames : session->unwritten))
            numbers[count++] = lane->touched[i];
    }
    lane->touched_count = to_book ? 0 : lane->touched_count;
    return count;
}
