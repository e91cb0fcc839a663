/* SHA-256 (FIPS 180-4) of many files, two at a time.
 *
 * A round of SHA-256 waits for the one before it, and a processor with instructions for it (SHA extensions, x86-64) idles
 * meanwhile. With the rounds of two files in turn it takes half the time for both. lab/store/digest.py takes Python's own
 * hashlib where this is not there; a test holds the two together.
 */
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

enum { BLOCK = 64, PIECE = 1 << 16, LANES = 2 };

typedef struct {
    __m128i abef, cdgh;        /* the eight words of the state, as the instructions want them */
    uint8_t octets[PIECE + 2 * BLOCK];
    int64_t from, to;          /* what of them is still to be taken */
    uint64_t total;
    int file, ended;           /* which file; -1: none. ended: the padding is there */
} Lane;

static const uint32_t K[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

#define WITH_SHA __attribute__((target("sha,sse4.1")))

WITH_SHA static void begin(Lane *lane, int file)
{
    lane->abef = _mm_set_epi32(0x6a09e667, (int)0xbb67ae85, 0x510e527f, (int)0x9b05688c);
    lane->cdgh = _mm_set_epi32(0x3c6ef372, (int)0xa54ff53a, 0x1f83d9ab, 0x5be0cd19);
    lane->from = lane->to = lane->ended = 0;
    lane->total = 0;
    lane->file = file;
}

/* So many blocks of both lanes. */
WITH_SHA static void take(Lane *lanes, int64_t blocks)
{
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    const uint8_t *at[LANES] = {lanes[0].octets + lanes[0].from, lanes[1].octets + lanes[1].from};
    __m128i abef[LANES] = {lanes[0].abef, lanes[1].abef}, cdgh[LANES] = {lanes[0].cdgh, lanes[1].cdgh};

    for (int i = 0; i < LANES; i++)
        lanes[i].from += blocks * BLOCK;
    for (; blocks > 0; blocks--) {
        __m128i words[LANES][4], before[LANES][2] = {{abef[0], cdgh[0]}, {abef[1], cdgh[1]}};
#pragma GCC unroll 16
        for (int four = 0; four < 16; four++) {
#pragma GCC unroll 2
            for (int i = 0; i < LANES; i++) {
                __m128i *w = words[i], *own = &w[four & 3];
                if (four < 4) {
                    *own = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)at[i] + four), big_endian);
                } else { /* w[t] from w[t-16], w[t-15], w[t-7] and w[t-2], four at once */
                    __m128i *last = &w[(four + 3) & 3];
                    __m128i seven = _mm_alignr_epi8(*last, w[(four + 2) & 3], 4);
                    *own = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(*own, w[(four + 1) & 3]), seven), *last);
                }
                __m128i sum = _mm_add_epi32(*own, _mm_load_si128((const __m128i *)K + four));
                cdgh[i] = _mm_sha256rnds2_epu32(cdgh[i], abef[i], sum);
                abef[i] = _mm_sha256rnds2_epu32(abef[i], cdgh[i], _mm_shuffle_epi32(sum, 0x0E));
            }
        }
#pragma GCC unroll 2
        for (int i = 0; i < LANES; i++) {
            abef[i] = _mm_add_epi32(abef[i], before[i][0]);
            cdgh[i] = _mm_add_epi32(cdgh[i], before[i][1]);
            at[i] += BLOCK;
        }
    }
    for (int i = 0; i < LANES; i++)
        lanes[i].abef = abef[i], lanes[i].cdgh = cdgh[i];
}

/* Have at least a block in the lane, the padding behind the file's last octets. Returns 0 if the file cannot be read. */
static int fill(Lane *lane, int descriptor)
{
    int64_t left = lane->to - lane->from;
    if (left >= BLOCK || lane->ended)
        return 1;
    memmove(lane->octets, lane->octets + lane->from, (size_t)left);
    lane->from = 0, lane->to = left;
    while (lane->to < BLOCK) {
        ssize_t got = read(descriptor, lane->octets + lane->to, (size_t)(PIECE - lane->to));
        if (got < 0)
            return 0;
        lane->to += got, lane->total += (uint64_t)got;
        if (!got) {
            uint64_t bits = __builtin_bswap64(lane->total * 8);
            int64_t end = lane->to < BLOCK - 8 ? BLOCK : 2 * BLOCK;
            memset(lane->octets + lane->to, 0, (size_t)(end - lane->to));
            lane->octets[lane->to] = 0x80;
            memcpy(lane->octets + end - 8, &bits, 8);
            lane->to = end, lane->ended = 1;
        }
    }
    return 1;
}

WITH_SHA static void put(const Lane *lane, uint8_t *digest)
{
    uint32_t abef[4], cdgh[4];
    _mm_storeu_si128((__m128i *)abef, lane->abef), _mm_storeu_si128((__m128i *)cdgh, lane->cdgh);
    const uint32_t state[8] = {abef[3], abef[2], cdgh[3], cdgh[2], abef[1], abef[0], cdgh[1], cdgh[0]};
    for (int i = 0; i < 8; i++) {
        uint32_t word = __builtin_bswap32(state[i]);
        memcpy(digest + 4 * i, &word, 4);
    }
}

/* Whether this processor has the instructions. */
int digest_is_here(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1) && __builtin_cpu_supports("sse4.1");
}

/* The digests of the files with these descriptors, from where each stands to its end; 32 octets each.
 * Returns how many files there are, or which one could not be read. */
int digest_files(const int *descriptors, int count, uint8_t *digests)
{
    Lane lanes[LANES];
    int next = 0, left = count;

    for (int i = 0; i < LANES; i++)
        begin(&lanes[i], next < count ? next++ : -1);
    while (left > 0) {
        int64_t blocks = PIECE / BLOCK;
        for (int i = 0; i < LANES; i++) {
            if (lanes[i].file < 0) {
                lanes[i].from = 0, lanes[i].to = PIECE; /* nobody's: its sum goes nowhere */
                memset(lanes[i].octets, 0, PIECE);
            } else if (!fill(&lanes[i], descriptors[lanes[i].file]))
                return lanes[i].file;
            if (blocks > (lanes[i].to - lanes[i].from) / BLOCK)
                blocks = (lanes[i].to - lanes[i].from) / BLOCK;
        }
        take(lanes, blocks);
        for (int i = 0; i < LANES; i++)
            if (lanes[i].file >= 0 && lanes[i].ended && lanes[i].from == lanes[i].to) {
                put(&lanes[i], digests + 32 * lanes[i].file);
                begin(&lanes[i], next < count ? next++ : -1);
                left--;
            }
    }
    return count;
}
#else
int digest_is_here(void) { return 0; }
int digest_files(const int *descriptors, int count, uint8_t *digests)
{
    (void)descriptors, (void)digests;
    return count ? 0 : count;
}
#endif
