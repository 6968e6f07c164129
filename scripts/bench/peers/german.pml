/*
 * German's cache coherence protocol with data: the states and steps of models/german.ts in Promela. -DCLIENTS (2..5) sets the
 * size. The choice of the memory's first value is one more state, with two more transitions.
 *
 * Tuned for Spin, which tries every option in every state and hashes every byte: one process, steps that exclude each other
 * share an option, what a channel or cache holds is one byte with its data, sets are bits of a byte. Each step asserts what
 * it could violate.
 */

/* copy[i]: 0 for invalid; data is the lowest bit of the value minus the constant. */
#define SHARED 1
#define EXCLUSIVE 3
byte copy[CLIENTS];

/* request[i], and what the directory serves: 0 for none. */
#define REQUEST_SHARED 1
#define REQUEST_EXCLUSIVE 2
byte request[CLIENTS];
byte serving;
byte requester;

/* answer[i]: 0 for none. A grant is the copy that it grants, plus one. */
#define INVALIDATE 1
#define GRANT_SHARED 2
#define GRANT_EXCLUSIVE 4
byte answer[CLIENTS];

/* acknowledged[i]: 0 for none. */
#define ACKNOWLEDGED 1
#define WRITTEN_BACK 2
byte acknowledged[CLIENTS];

byte to_invalidate;
byte sharers;
bit exclusive_granted;
bit memory;
bit latest;
#define BIT(i) (1 << (i))

#if CLIENTS == 2
#define FOR_CLIENTS(x) x(0) x(1)
#define EVERY(x, i) (x(0, i) && x(1, i))
#elif CLIENTS == 3
#define FOR_CLIENTS(x) x(0) x(1) x(2)
#define EVERY(x, i) (x(0, i) && x(1, i) && x(2, i))
#elif CLIENTS == 4
#define FOR_CLIENTS(x) x(0) x(1) x(2) x(3)
#define EVERY(x, i) (x(0, i) && x(1, i) && x(2, i) && x(3, i))
#else
#define FOR_CLIENTS(x) x(0) x(1) x(2) x(3) x(4)
#define EVERY(x, i) (x(0, i) && x(1, i) && x(2, i) && x(3, i) && x(4, i))
#endif

/* An exclusive copy is the only one. */
#define COMPATIBLE(j, i) (j == i || copy[j] == 0 || (copy[i] < EXCLUSIVE && copy[j] < EXCLUSIVE))
#define CHECK_COPIES(i) assert(copy[i] == 0 || EVERY(COMPATIBLE, i))
/* The memory is up to date unless a copy is exclusive. */
#define CHECK_MEMORY assert(exclusive_granted || memory == latest)
/* Every copy is up to date. */
#define IS_LATEST(j, i) (copy[j] == 0 || ((copy[j] - 1) & 1) == latest)
#define CHECK_DATA assert(EVERY(IS_LATEST, 0))

/* A request for a shared copy; one for an exclusive copy, or its receipt; channel 2, both ends; channel 3; stores. */
#define CLIENT(i) \
  :: d_step { request[i] == 0 && copy[i] == 0 -> request[i] = REQUEST_SHARED } \
  :: d_step { (request[i] == 0 -> copy[i] < EXCLUSIVE : serving == 0) -> \
       if \
       :: request[i] == 0 -> request[i] = REQUEST_EXCLUSIVE \
       :: else -> serving = request[i]; requester = i; request[i] = 0; to_invalidate = sharers \
       fi } \
  :: d_step { (answer[i] == 0 -> \
       (to_invalidate & BIT(i)) && (serving == REQUEST_EXCLUSIVE || (serving == REQUEST_SHARED && exclusive_granted)) : \
       answer[i] != INVALIDATE || acknowledged[i] == 0) -> \
       if \
       :: answer[i] == 0 -> answer[i] = INVALIDATE; to_invalidate = to_invalidate ^ BIT(i) \
       :: answer[i] == INVALIDATE -> \
            acknowledged[i] = (copy[i] < EXCLUSIVE -> ACKNOWLEDGED : WRITTEN_BACK + (copy[i] - EXCLUSIVE)); \
            answer[i] = 0; copy[i] = 0 \
       :: else -> copy[i] = answer[i] - 1; answer[i] = 0; CHECK_COPIES(i); CHECK_DATA \
       fi } \
  :: d_step { acknowledged[i] && serving -> \
       if \
       :: exclusive_granted && acknowledged[i] >= WRITTEN_BACK -> \
            exclusive_granted = 0; memory = acknowledged[i] - WRITTEN_BACK; CHECK_MEMORY \
       :: else \
       fi; \
       acknowledged[i] = 0; sharers = sharers & ~BIT(i) } \
  :: d_step { copy[i] >= EXCLUSIVE -> copy[i] = EXCLUSIVE; latest = 0; CHECK_MEMORY; CHECK_DATA } \
  :: d_step { copy[i] >= EXCLUSIVE -> copy[i] = EXCLUSIVE + 1; latest = 1; CHECK_MEMORY; CHECK_DATA }

active proctype system() {
  if
  :: skip
  :: d_step { memory = 1; latest = 1 }
  fi;
  do
  FOR_CLIENTS(CLIENT)
  :: d_step { serving && answer[requester] == 0 && !exclusive_granted && (serving == REQUEST_SHARED || sharers == 0) ->
       if
       :: serving == REQUEST_SHARED -> answer[requester] = GRANT_SHARED + memory
       :: else -> answer[requester] = GRANT_EXCLUSIVE + memory; exclusive_granted = 1
       fi;
       sharers = sharers | BIT(requester); serving = 0; requester = 0 }
  od
}
