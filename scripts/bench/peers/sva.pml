/*
 * Invalidation of SMMU TLB and device ATC through one command queue: the states and steps of models/sva.ts in Promela.
 * -DPAGES (over all processes, 1..4), -DDEVICES (1..3) and -DCAPACITY (1..3) set the size.
 *
 * Tuned for Spin, which tries every option in every state and hashes every byte: one process, steps that exclude each other
 * share an option, a byte holds the fields that belong together. Each step asserts what it could violate.
 */

/* page[i]: bit 0 is the TLB entry; above it how far the unmapping is. */
#define TLB 1
#define UNMAP(i) (page[i] & 14)
#define FREE 0
#define MAPPED 2
#define TLBI_NEXT 4
#define ATC_INV_NEXT 6
#define SYNC_NEXT 8
#define WAITING 10
byte page[PAGES];

/* device[j]: a translation of a device, as flags. */
#define ATC 1
#define SENT 2
#define ANSWERED 4
#define INVALIDATE 8
#define J(d, i) (d * PAGES + i)
byte device[DEVICES * PAGES];

/* queue[k]: 0 for none, or the operation and the page. */
#define TLBI 16
#define ATC_INV 32
#define SYNC 48
byte queue[CAPACITY];
#define HAS_ROOM (queue[CAPACITY - 1] == 0)

#if CAPACITY == 1
#define PUSH(command) queue[0] = command
#define SHIFT queue[0] = 0
#elif CAPACITY == 2
#define PUSH(command) if :: queue[0] == 0 -> queue[0] = command :: else -> queue[1] = command fi
#define SHIFT queue[0] = queue[1]; queue[1] = 0
#else
#define PUSH(command) if :: queue[0] == 0 -> queue[0] = command \
  :: else -> if :: queue[1] == 0 -> queue[1] = command :: else -> queue[2] = command fi fi
#define SHIFT queue[0] = queue[1]; queue[1] = queue[2]; queue[2] = 0
#endif

#if PAGES == 1
#define FOR_PAGES(x) x(0)
#define OR_PAGES(x) (x(0))
#elif PAGES == 2
#define FOR_PAGES(x) x(0) x(1)
#define OR_PAGES(x) (x(0) | x(1))
#elif PAGES == 3
#define FOR_PAGES(x) x(0) x(1) x(2)
#define OR_PAGES(x) (x(0) | x(1) | x(2))
#else
#define FOR_PAGES(x) x(0) x(1) x(2) x(3)
#define OR_PAGES(x) (x(0) | x(1) | x(2) | x(3))
#endif

#if DEVICES == 1
#define FOR_DEVICES(x, i) x(0, i)
#define OR_DEVICES(x, i) (x(0, i))
#elif DEVICES == 2
#define FOR_DEVICES(x, i) x(0, i) x(1, i)
#define OR_DEVICES(x, i) (x(0, i) | x(1, i))
#else
#define FOR_DEVICES(x, i) x(0, i) x(1, i) x(2, i)
#define OR_DEVICES(x, i) (x(0, i) | x(1, i) | x(2, i))
#endif

#define DEVICE_FLAGS(d, i) device[J(d, i)]
#define PAGE_FLAGS(i) OR_DEVICES(DEVICE_FLAGS, i)
#define NO_INVALIDATION_UNDER_WAY (!(OR_PAGES(PAGE_FLAGS) & INVALIDATE))

/* A free page has no TLB entry, and no device holds a translation of it. */
#define CHECK(i) \
  assert(UNMAP(i) != FREE || !((page[i] & TLB) || (PAGE_FLAGS(i) & (ATC | ANSWERED))))

#define SEND_INVALIDATE(d, i) device[J(d, i)] = device[J(d, i)] | INVALIDATE;

/* The device's request, the SMMU's answer or fault, and the completion; eviction; the Invalidate Request. */
#define DEVICE(d, i) \
  :: d_step { (device[J(d, i)] & (ATC | SENT | ANSWERED)) != ATC -> \
       if \
       :: !(device[J(d, i)] & (SENT | ANSWERED)) -> device[J(d, i)] = device[J(d, i)] | SENT \
       :: (device[J(d, i)] & SENT) -> \
            if \
            :: (page[i] & TLB) || UNMAP(i) == MAPPED -> \
                 device[J(d, i)] = device[J(d, i)] ^ (SENT | ANSWERED); page[i] = page[i] | TLB; CHECK(i) \
            :: else -> device[J(d, i)] = device[J(d, i)] ^ SENT \
            fi \
       :: else -> device[J(d, i)] = (device[J(d, i)] ^ ANSWERED) | ATC; CHECK(i) \
       fi } \
  :: d_step { (device[J(d, i)] & ATC) -> device[J(d, i)] = device[J(d, i)] ^ ATC } \
  :: d_step { (device[J(d, i)] & INVALIDATE) -> device[J(d, i)] = device[J(d, i)] & SENT }

/* The processor's next step; the commands about the page at the head of the queue; its devices. */
#define PAGE(i) \
  :: d_step { UNMAP(i) < TLBI_NEXT || (UNMAP(i) < WAITING && HAS_ROOM) -> \
       if \
       :: UNMAP(i) == TLBI_NEXT -> PUSH(TLBI + i) \
       :: UNMAP(i) == ATC_INV_NEXT -> PUSH(ATC_INV + i) \
       :: UNMAP(i) == SYNC_NEXT -> PUSH(SYNC + i) \
       :: else \
       fi; \
       page[i] = page[i] + 2 } \
  :: d_step { queue[0] == TLBI + i -> page[i] = UNMAP(i); SHIFT } \
  :: d_step { queue[0] == ATC_INV + i -> FOR_DEVICES(SEND_INVALIDATE, i) SHIFT } \
  :: d_step { queue[0] == SYNC + i && NO_INVALIDATION_UNDER_WAY -> page[i] = FREE | (page[i] & TLB); SHIFT; CHECK(i) } \
  FOR_DEVICES(DEVICE, i)

active proctype system() {
  do
  FOR_PAGES(PAGE)
  od
}
