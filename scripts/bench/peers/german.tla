------------------------------- MODULE german -------------------------------
(* German's cache coherence protocol with data: the states and steps of models/german.ts in TLA+. TLC counts each of the two
   initial states as one step. It takes a disjunction in a guard for two steps, so such a guard is compared with TRUE. *)
EXTENDS Naturals

CONSTANTS Client

Data == {0, 1}
Nothing == 2
NoClient == "none"

VARIABLES
  cache, data, request, answer, answerData, acknowledged, writtenBack, toInvalidate, sharer,
  exclusiveGranted, serving, requester, memory, latest
caches == <<cache, data>>
channels == <<request, answer, answerData, acknowledged, writtenBack>>
directory == <<toInvalidate, sharer, exclusiveGranted, serving, requester, memory>>
vars == <<caches, channels, directory, latest>>

Init ==
  /\ cache = [c \in Client |-> "invalid"]
  /\ data = [c \in Client |-> Nothing]
  /\ request = [c \in Client |-> "none"]
  /\ answer = [c \in Client |-> "none"]
  /\ answerData = [c \in Client |-> Nothing]
  /\ acknowledged = [c \in Client |-> FALSE]
  /\ writtenBack = [c \in Client |-> Nothing]
  /\ toInvalidate = [c \in Client |-> FALSE]
  /\ sharer = [c \in Client |-> FALSE]
  /\ exclusiveGranted = FALSE
  /\ serving = "none"
  /\ requester = NoClient
  /\ memory \in Data
  /\ latest = memory

RequestShared(c) ==
  /\ request[c] = "none"
  /\ cache[c] = "invalid"
  /\ request' = [request EXCEPT ![c] = "shared"]
  /\ UNCHANGED <<caches, answer, answerData, acknowledged, writtenBack, directory, latest>>

RequestExclusive(c) ==
  /\ request[c] = "none"
  /\ cache[c] # "exclusive"
  /\ request' = [request EXCEPT ![c] = "exclusive"]
  /\ UNCHANGED <<caches, answer, answerData, acknowledged, writtenBack, directory, latest>>

ReceiveRequest(c) ==
  /\ serving = "none"
  /\ request[c] # "none"
  /\ serving' = request[c]
  /\ requester' = c
  /\ request' = [request EXCEPT ![c] = "none"]
  /\ toInvalidate' = sharer
  /\ UNCHANGED <<caches, answer, answerData, acknowledged, writtenBack, sharer, exclusiveGranted, memory, latest>>

SendInvalidate(c) ==
  /\ answer[c] = "none"
  /\ toInvalidate[c]
  /\ (serving = "exclusive" \/ (serving = "shared" /\ exclusiveGranted)) = TRUE
  /\ answer' = [answer EXCEPT ![c] = "invalidate"]
  /\ toInvalidate' = [toInvalidate EXCEPT ![c] = FALSE]
  /\ UNCHANGED <<caches, request, answerData, acknowledged, writtenBack, sharer, exclusiveGranted, serving, requester,
                 memory, latest>>

Acknowledge(c) ==
  /\ answer[c] = "invalidate"
  /\ ~acknowledged[c]
  /\ answer' = [answer EXCEPT ![c] = "none"]
  /\ acknowledged' = [acknowledged EXCEPT ![c] = TRUE]
  /\ writtenBack' = [writtenBack EXCEPT ![c] = IF cache[c] = "exclusive" THEN data[c] ELSE @]
  /\ cache' = [cache EXCEPT ![c] = "invalid"]
  /\ data' = [data EXCEPT ![c] = Nothing]
  /\ UNCHANGED <<request, answerData, directory, latest>>

ReceiveAcknowledgement(c) ==
  /\ acknowledged[c]
  /\ serving # "none"
  /\ acknowledged' = [acknowledged EXCEPT ![c] = FALSE]
  /\ sharer' = [sharer EXCEPT ![c] = FALSE]
  /\ LET writesBack == exclusiveGranted /\ writtenBack[c] # Nothing
     IN /\ exclusiveGranted' = (exclusiveGranted /\ ~writesBack)
        /\ memory' = IF writesBack THEN writtenBack[c] ELSE memory
        /\ writtenBack' = IF writesBack THEN [writtenBack EXCEPT ![c] = Nothing] ELSE writtenBack
  /\ UNCHANGED <<caches, request, answer, answerData, toInvalidate, serving, requester, latest>>

Grant(c, wanted) ==
  /\ serving = wanted
  /\ requester = c
  /\ answer[c] = "none"
  /\ ~exclusiveGranted
  /\ answer' = [answer EXCEPT ![c] = wanted]
  /\ answerData' = [answerData EXCEPT ![c] = memory]
  /\ sharer' = [sharer EXCEPT ![c] = TRUE]
  /\ serving' = "none"
  /\ requester' = NoClient
  /\ UNCHANGED <<caches, request, acknowledged, writtenBack, toInvalidate, memory, latest>>

GrantShared(c) ==
  /\ Grant(c, "shared")
  /\ UNCHANGED exclusiveGranted

GrantExclusive(c) ==
  /\ \A other \in Client: ~sharer[other]
  /\ Grant(c, "exclusive")
  /\ exclusiveGranted' = TRUE

Receive(c, granted) ==
  /\ answer[c] = granted
  /\ cache' = [cache EXCEPT ![c] = granted]
  /\ data' = [data EXCEPT ![c] = answerData[c]]
  /\ answer' = [answer EXCEPT ![c] = "none"]
  /\ answerData' = [answerData EXCEPT ![c] = Nothing]
  /\ UNCHANGED <<request, acknowledged, writtenBack, directory, latest>>

Store(c, value) ==
  /\ cache[c] = "exclusive"
  /\ data' = [data EXCEPT ![c] = value]
  /\ latest' = value
  /\ UNCHANGED <<cache, channels, directory>>

Next ==
  \E c \in Client:
    \/ RequestShared(c)
    \/ RequestExclusive(c)
    \/ ReceiveRequest(c)
    \/ SendInvalidate(c)
    \/ Acknowledge(c)
    \/ ReceiveAcknowledgement(c)
    \/ GrantShared(c)
    \/ GrantExclusive(c)
    \/ Receive(c, "shared")
    \/ Receive(c, "exclusive")
    \/ \E value \in Data: Store(c, value)

Spec == Init /\ [][Next]_vars

AnExclusiveCopyIsTheOnlyOne ==
  \A c, other \in Client: (c # other /\ cache[c] = "exclusive") => cache[other] = "invalid"

TheMemoryIsUpToDate == ~exclusiveGranted => memory = latest

EveryCopyIsUpToDate == \A c \in Client: cache[c] # "invalid" => data[c] = latest
=============================================================================
