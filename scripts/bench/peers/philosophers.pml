/*
 * Dining philosophers, the first of whom begins with the other fork: the states and steps of models/philosophers.ts in Promela.
 * -DSEATS (3..15) sets the size.
 *
 * Tuned for Spin, which tries every option in every state and hashes every byte: one process, one option for each philosopher,
 * two bits for each place. (A process for each philosopher takes twice the time.)
 */
#define TAKE_A_FORK 0
#define TAKE_THE_OTHER 1
#define EAT 2
#define THINK 3

/* Bit i is the fork on the left of seat i. */
int taken;
/* Two bits for each seat. */
int places;

#define RIGHT(i) ((i + 1) % SEATS)
#define LEFT(i) ((i + SEATS - 1) % SEATS)
#define AT(i) ((places >> (2 * (i))) & 3)
#define IS_TAKEN(fork) (taken & (1 << (fork)))
#define TAKE(fork) taken = taken | (1 << (fork))
#define PUT_BACK(fork) taken = taken ^ (1 << (fork))
#define GO_ON(i) places = places + (1 << (2 * (i)))
#define START_AGAIN(i) places = places - (3 << (2 * (i)))

#define PHILOSOPHER(i, first, second) \
  :: d_step { AT(i) > TAKE_THE_OTHER || (AT(i) == TAKE_A_FORK && !IS_TAKEN(first)) || \
       (AT(i) == TAKE_THE_OTHER && !IS_TAKEN(second)) -> \
       if \
       :: AT(i) == TAKE_A_FORK -> TAKE(first); GO_ON(i) \
       :: AT(i) == TAKE_THE_OTHER -> TAKE(second); GO_ON(i); assert(AT(LEFT(i)) != EAT && AT(RIGHT(i)) != EAT) \
       :: AT(i) == EAT -> PUT_BACK(first); GO_ON(i) \
       :: else -> PUT_BACK(second); START_AGAIN(i) \
       fi }
#define OTHER(i) PHILOSOPHER(i, i, RIGHT(i))

active proctype table() {
  do
  PHILOSOPHER(0, 1, 0)
  OTHER(1)
  OTHER(2)
#if SEATS > 3
  OTHER(3)
#endif
#if SEATS > 4
  OTHER(4)
#endif
#if SEATS > 5
  OTHER(5)
#endif
#if SEATS > 6
  OTHER(6)
#endif
#if SEATS > 7
  OTHER(7)
#endif
#if SEATS > 8
  OTHER(8)
#endif
#if SEATS > 9
  OTHER(9)
#endif
#if SEATS > 10
  OTHER(10)
#endif
#if SEATS > 11
  OTHER(11)
#endif
#if SEATS > 12
  OTHER(12)
#endif
#if SEATS > 13
  OTHER(13)
#endif
#if SEATS > 14
  OTHER(14)
#endif
  od
}
