---------------------------- MODULE philosophers ----------------------------
(* Dining philosophers, the first of whom begins with the other fork: the states and steps of models/philosophers.ts in TLA+. *)
EXTENDS Naturals

CONSTANTS Seats

Seat == 0 .. Seats - 1

VARIABLES taken, at

Right(seat) == (seat + 1) % Seats
FirstFork(seat) == IF seat = 0 THEN Right(seat) ELSE seat
SecondFork(seat) == IF seat = 0 THEN seat ELSE Right(seat)

Init ==
  /\ taken = [seat \in Seat |-> FALSE]
  /\ at = [seat \in Seat |-> "take a fork"]

Take(seat, now, fork, then) ==
  /\ at[seat] = now
  /\ ~taken[fork]
  /\ taken' = [taken EXCEPT ![fork] = TRUE]
  /\ at' = [at EXCEPT ![seat] = then]

PutBack(seat, now, fork, then) ==
  /\ at[seat] = now
  /\ taken' = [taken EXCEPT ![fork] = FALSE]
  /\ at' = [at EXCEPT ![seat] = then]

Next ==
  \E seat \in Seat:
    \/ Take(seat, "take a fork", FirstFork(seat), "take the other")
    \/ Take(seat, "take the other", SecondFork(seat), "eat")
    \/ PutBack(seat, "eat", FirstFork(seat), "think")
    \/ PutBack(seat, "think", SecondFork(seat), "take a fork")

Spec == Init /\ [][Next]_<<taken, at>>

NeighboursNeverEatAtOnce == \A seat \in Seat: at[seat] = "eat" => at[Right(seat)] # "eat"
=============================================================================
