/*
 * The limit for any exhaustive search: inserts ready-made keys into a hash set of exactly stored keys, and does nothing else.
 * What a search takes beyond this goes into finding the keys.
 *
 *   gcc -O3 -march=native -o limit limit.c && ./limit FILE KEY_BYTES
 *
 * FILE is keys of KEY_BYTES bytes each, one after the other in the order in which a search meets them. Tables of two sizes are
 * tried, each with several prefetch distances and several times; the fastest is told. Only the probing is timed: the file is
 * in memory, and so are the pages of the table.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { longest = 64, repetitions = 3 };

/* Of `bytes` for each slot; a slot of zeros is empty, and whether the key of zeros was inserted is noted apart. */
struct table {
  unsigned char *slots;
  int bits;
  int has_zero;
  uint64_t probes;
};

static inline __attribute__((always_inline)) uint64_t part(const unsigned char *key, int bytes) {
  uint64_t value = 0;
  memcpy(&value, key, bytes);
  return value;
}

static inline __attribute__((always_inline)) uint64_t hash(const unsigned char *key, int bytes) {
  uint64_t h = 0;
  int at = 0;
  for (; at + 8 <= bytes; at += 8) {
    h = (h ^ part(key + at, 8)) * 0x9e3779b97f4a7c15u;
    h ^= h >> 32;
  }
  if (at < bytes) {
    h = (h ^ part(key + at, bytes - at)) * 0x9e3779b97f4a7c15u;
    h ^= h >> 32;
  }
  return h * 0xd6e8feb86659fd93u;
}

static inline __attribute__((always_inline)) int is_zero(const unsigned char *key, int bytes) {
  uint64_t any = 0;
  int at = 0;
  for (; at + 8 <= bytes; at += 8) any |= part(key + at, 8);
  if (at < bytes) any |= part(key + at, bytes - at);
  return any == 0;
}

/* Whether the key was new. */
static inline __attribute__((always_inline)) int insert(struct table *t, const unsigned char *key, int bytes, int counting) {
  if (is_zero(key, bytes)) {
    int is_new = !t->has_zero;
    t->has_zero = 1;
    return is_new;
  }
  uint64_t mask = ((uint64_t)1 << t->bits) - 1;
  uint64_t slot = hash(key, bytes) >> (64 - t->bits);
  for (;; slot = (slot + 1) & mask) {
    unsigned char *place = t->slots + slot * bytes;
    if (counting) t->probes++;
    if (memcmp(place, key, bytes) == 0) return 0;
    if (is_zero(place, bytes)) {
      memcpy(place, key, bytes);
      return 1;
    }
  }
}

static inline __attribute__((always_inline)) uint64_t
insert_all_of(struct table *t, const unsigned char *keys, uint64_t count, int bytes, int ahead, int counting) {
  uint64_t distinct = 0;
  uint64_t near = count > (uint64_t)ahead ? count - ahead : 0;
  uint64_t i = 0;
  if (ahead > 0) {
    for (; i < near; i++) {
      const unsigned char *key = keys + i * bytes;
      __builtin_prefetch(t->slots + (hash(key + (uint64_t)ahead * bytes, bytes) >> (64 - t->bits)) * bytes, 1);
      distinct += insert(t, key, bytes, counting);
    }
  }
  for (; i < count; i++) distinct += insert(t, keys + i * bytes, bytes, counting);
  return distinct;
}

/* The common widths are compiled on their own, so that comparing is a few instructions. */
static uint64_t insert_all(struct table *t, const unsigned char *keys, uint64_t count, int bytes, int ahead, int counting) {
  switch (bytes) {
  case 4: return insert_all_of(t, keys, count, 4, ahead, counting);
  case 8: return insert_all_of(t, keys, count, 8, ahead, counting);
  case 12: return insert_all_of(t, keys, count, 12, ahead, counting);
  case 16: return insert_all_of(t, keys, count, 16, ahead, counting);
  case 24: return insert_all_of(t, keys, count, 24, ahead, counting);
  case 32: return insert_all_of(t, keys, count, 32, ahead, counting);
  default: return insert_all_of(t, keys, count, bytes, ahead, counting);
  }
}

/* Zeroed memory, in large pages where the kernel grants them. */
static unsigned char *memory(uint64_t size) {
  void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) {
    perror("mmap");
    exit(1);
  }
  madvise(at, size, MADV_HUGEPAGE);
  return at;
}

static struct table empty(int bits, int bytes) {
  uint64_t size = (uint64_t)bytes << bits;
  struct table t = {memory(size), bits, 0, 0};
  memset(t.slots, 0, size);
  return t;
}

static void release(struct table *t, int bytes) { munmap(t->slots, (uint64_t)bytes << t->bits); }

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static unsigned char *contents(const char *path, uint64_t *size) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
    perror(path);
    exit(1);
  }
  *size = ftell(file);
  rewind(file);
  unsigned char *data = memory(*size + 1);
  if (fread(data, 1, *size, file) != *size) {
    perror(path);
    exit(1);
  }
  fclose(file);
  return data;
}

int main(int count, char **words) {
  int bytes = count == 3 ? atoi(words[2]) : 0;
  if (bytes < 1 || bytes > longest) {
    fprintf(stderr, "usage: limit FILE KEY_BYTES (1 to %d)\n", longest);
    return 2;
  }
  uint64_t size;
  unsigned char *keys = contents(words[1], &size);
  uint64_t keys_count = size / bytes;
  if (keys_count == 0 || keys_count * bytes != size) {
    fprintf(stderr, "%s is not a number of keys of %d bytes\n", words[1], bytes);
    return 2;
  }

  /* Enough for all, to learn how many are distinct; then as few slots as leave a fifth of them empty. */
  int bits = 4;
  while (((uint64_t)1 << bits) < keys_count + keys_count / 4) bits++;
  struct table all = empty(bits, bytes);
  uint64_t distinct = insert_all(&all, keys, keys_count, bytes, 0, 0);
  release(&all, bytes);
  for (bits = 4; ((uint64_t)1 << bits) * 4 < distinct * 5; bits++) {
  }

  const int distances[] = {0, 4, 8, 16, 32};
  double best_seconds = 0;
  int best_bits = 0;
  int best_distance = 0;
  for (int larger = 0; larger <= 1; larger++) {
    for (unsigned k = 0; k < sizeof distances / sizeof *distances; k++) {
      for (int repetition = 0; repetition < repetitions; repetition++) {
        struct table t = empty(bits + larger, bytes);
        double start = now();
        uint64_t found = insert_all(&t, keys, keys_count, bytes, distances[k], 0);
        double seconds = now() - start;
        release(&t, bytes);
        if (found != distinct) return 1;
        if (best_bits != 0 && seconds >= best_seconds) continue;
        best_seconds = seconds;
        best_bits = bits + larger;
        best_distance = distances[k];
      }
    }
  }

  struct table counted = empty(best_bits, bytes);
  insert_all(&counted, keys, keys_count, bytes, 0, 1);
  printf("keys: %llu\n", (unsigned long long)keys_count);
  printf("distinct: %llu\n", (unsigned long long)distinct);
  printf("probes: %llu\n", (unsigned long long)counted.probes);
  printf("slots: %llu\n", (unsigned long long)1 << best_bits);
  printf("prefetch: %d\n", best_distance);
  printf("seconds: %.6f\n", best_seconds);
  return 0;
}
