-------------------------------- MODULE sva --------------------------------
(* Invalidation of SMMU TLB and device ATC through one command queue: the states and steps of models/sva.ts in TLA+.
   TLC takes a disjunction in a guard for two steps, so such guards are compared with TRUE. *)
EXTENDS Naturals, Sequences

CONSTANTS Process, Page, Device, Capacity

VARIABLES unmap, tlb, atc, request, invalidate, queue
vars == <<unmap, tlb, atc, request, invalidate, queue>>

Init ==
  /\ unmap = [p \in Process, g \in Page |-> "free"]
  /\ tlb = [p \in Process, g \in Page |-> FALSE]
  /\ atc = [d \in Device, p \in Process, g \in Page |-> FALSE]
  /\ request = [d \in Device, p \in Process, g \in Page |-> "none"]
  /\ invalidate = [d \in Device, p \in Process, g \in Page |-> FALSE]
  /\ queue = <<>>

Map(p, g) ==
  /\ unmap[p, g] = "free"
  /\ unmap' = [unmap EXCEPT ![p, g] = "mapped"]
  /\ UNCHANGED <<tlb, atc, request, invalidate, queue>>

Unmap(p, g) ==
  /\ unmap[p, g] = "mapped"
  /\ unmap' = [unmap EXCEPT ![p, g] = "tlbi"]
  /\ UNCHANGED <<tlb, atc, request, invalidate, queue>>

Queue(p, g, now, then) ==
  /\ unmap[p, g] = now
  /\ Len(queue) < Capacity
  /\ queue' = Append(queue, <<now, p, g>>)
  /\ unmap' = [unmap EXCEPT ![p, g] = then]
  /\ UNCHANGED <<tlb, atc, request, invalidate>>

Request(d, p, g) ==
  /\ ~atc[d, p, g]
  /\ request[d, p, g] = "none"
  /\ request' = [request EXCEPT ![d, p, g] = "sent"]
  /\ UNCHANGED <<unmap, tlb, atc, invalidate, queue>>

Translates(p, g) == (tlb[p, g] \/ unmap[p, g] = "mapped") = TRUE

Answer(d, p, g) ==
  /\ request[d, p, g] = "sent"
  /\ Translates(p, g)
  /\ request' = [request EXCEPT ![d, p, g] = "answered"]
  /\ tlb' = [tlb EXCEPT ![p, g] = TRUE]
  /\ UNCHANGED <<unmap, atc, invalidate, queue>>

Fault(d, p, g) ==
  /\ request[d, p, g] = "sent"
  /\ ~Translates(p, g)
  /\ request' = [request EXCEPT ![d, p, g] = "none"]
  /\ UNCHANGED <<unmap, tlb, atc, invalidate, queue>>

Complete(d, p, g) ==
  /\ request[d, p, g] = "answered"
  /\ request' = [request EXCEPT ![d, p, g] = "none"]
  /\ atc' = [atc EXCEPT ![d, p, g] = TRUE]
  /\ UNCHANGED <<unmap, tlb, invalidate, queue>>

Evict(d, p, g) ==
  /\ atc[d, p, g]
  /\ atc' = [atc EXCEPT ![d, p, g] = FALSE]
  /\ UNCHANGED <<unmap, tlb, request, invalidate, queue>>

Invalidate(d, p, g) ==
  /\ invalidate[d, p, g]
  /\ invalidate' = [invalidate EXCEPT ![d, p, g] = FALSE]
  /\ atc' = [atc EXCEPT ![d, p, g] = FALSE]
  /\ request' = [request EXCEPT ![d, p, g] = IF @ = "answered" THEN "none" ELSE @]
  /\ UNCHANGED <<unmap, tlb, queue>>

AtHead(operation) == queue # <<>> /\ Head(queue)[1] = operation

ExecuteTlbi ==
  /\ AtHead("tlbi")
  /\ tlb' = [tlb EXCEPT ![Head(queue)[2], Head(queue)[3]] = FALSE]
  /\ queue' = Tail(queue)
  /\ UNCHANGED <<unmap, atc, request, invalidate>>

ExecuteAtcInv ==
  /\ AtHead("atc-inv")
  /\ invalidate' = [d \in Device, p \in Process, g \in Page |->
       invalidate[d, p, g] \/ (p = Head(queue)[2] /\ g = Head(queue)[3])]
  /\ queue' = Tail(queue)
  /\ UNCHANGED <<unmap, tlb, atc, request>>

ExecuteSync ==
  /\ AtHead("sync")
  /\ \A d \in Device, p \in Process, g \in Page: ~invalidate[d, p, g]
  /\ unmap' = [unmap EXCEPT ![Head(queue)[2], Head(queue)[3]] = "free"]
  /\ queue' = Tail(queue)
  /\ UNCHANGED <<tlb, atc, request, invalidate>>

Next ==
  \/ \E p \in Process, g \in Page:
       \/ Map(p, g)
       \/ Unmap(p, g)
       \/ Queue(p, g, "tlbi", "atc-inv")
       \/ Queue(p, g, "atc-inv", "sync")
       \/ Queue(p, g, "sync", "waiting")
  \/ \E d \in Device, p \in Process, g \in Page:
       \/ Request(d, p, g)
       \/ Answer(d, p, g)
       \/ Fault(d, p, g)
       \/ Complete(d, p, g)
       \/ Evict(d, p, g)
       \/ Invalidate(d, p, g)
  \/ ExecuteTlbi
  \/ ExecuteAtcInv
  \/ ExecuteSync

Spec == Init /\ [][Next]_vars

NoTlbEntryOfAFreePage == \A p \in Process, g \in Page: unmap[p, g] = "free" => ~tlb[p, g]

NoTranslationOfAFreePage ==
  \A d \in Device, p \in Process, g \in Page:
    unmap[p, g] = "free" => (~atc[d, p, g] /\ request[d, p, g] # "answered")
=============================================================================
