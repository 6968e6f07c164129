-- German's cache coherence protocol with data: the states and steps of models/german.ts in Murphi. What channels and caches
-- no longer hold is undefined. The harness sets the constant.
const
  clients: 3;

type
  Client: scalarset(clients);
  Data: 0 .. 1;
  Cache: enum { invalid, shared, exclusive };
  Request: enum { no_request, request_shared, request_exclusive };
  Answer: enum { no_answer, invalidate, grant_shared, grant_exclusive };

var
  client: array [Client] of record
    cache: Cache;
    data: Data;
    request: Request;
    answer: Answer;
    answer_data: Data;
    acknowledged: boolean;
    written_back: Data;
    to_invalidate: boolean;
    sharer: boolean;
  end;
  exclusive_granted: boolean;
  serving: Request;
  requester: Client;
  memory: Data;
  latest: Data;

ruleset value: Data do
  startstate begin
    for c: Client do
      undefine client[c];
      client[c].cache := invalid;
      client[c].request := no_request;
      client[c].answer := no_answer;
      client[c].acknowledged := false;
      client[c].to_invalidate := false;
      client[c].sharer := false;
    end;
    exclusive_granted := false;
    serving := no_request;
    undefine requester;
    memory := value;
    latest := value;
  end;
end;

ruleset c: Client do
  alias own: client[c] do
    rule "requestShared" own.request = no_request & own.cache = invalid ==>
    begin
      own.request := request_shared;
    end;

    rule "requestExclusive" own.request = no_request & own.cache != exclusive ==>
    begin
      own.request := request_exclusive;
    end;

    rule "receiveRequest" serving = no_request & own.request != no_request ==>
    begin
      serving := own.request;
      requester := c;
      own.request := no_request;
      for other: Client do
        client[other].to_invalidate := client[other].sharer;
      end;
    end;

    rule "sendInvalidate" own.answer = no_answer & own.to_invalidate &
      (serving = request_exclusive | (serving = request_shared & exclusive_granted)) ==>
    begin
      own.answer := invalidate;
      own.to_invalidate := false;
    end;

    rule "acknowledge" own.answer = invalidate & !own.acknowledged ==>
    begin
      own.answer := no_answer;
      own.acknowledged := true;
      if own.cache = exclusive then own.written_back := own.data; end;
      own.cache := invalid;
      undefine own.data;
    end;

    rule "receiveAcknowledgement" own.acknowledged & serving != no_request ==>
    begin
      own.acknowledged := false;
      own.sharer := false;
      if exclusive_granted & !isundefined(own.written_back) then
        exclusive_granted := false;
        memory := own.written_back;
        undefine own.written_back;
      end;
    end;

    rule "grantShared" serving = request_shared & !isundefined(requester) & requester = c & own.answer = no_answer &
      !exclusive_granted ==>
    begin
      own.answer := grant_shared;
      own.answer_data := memory;
      own.sharer := true;
      serving := no_request;
      undefine requester;
    end;

    rule "grantExclusive" serving = request_exclusive & !isundefined(requester) & requester = c &
      own.answer = no_answer & !exclusive_granted & forall other: Client do !client[other].sharer end ==>
    begin
      own.answer := grant_exclusive;
      own.answer_data := memory;
      own.sharer := true;
      exclusive_granted := true;
      serving := no_request;
      undefine requester;
    end;

    rule "receiveShared" own.answer = grant_shared ==>
    begin
      own.cache := shared;
      own.data := own.answer_data;
      own.answer := no_answer;
      undefine own.answer_data;
    end;

    rule "receiveExclusive" own.answer = grant_exclusive ==>
    begin
      own.cache := exclusive;
      own.data := own.answer_data;
      own.answer := no_answer;
      undefine own.answer_data;
    end;

    ruleset value: Data do
      rule "store" own.cache = exclusive ==>
      begin
        own.data := value;
        latest := value;
      end;
    end;
  end;
end;

invariant "an exclusive copy is the only one"
  forall c: Client do forall other: Client do
    (c != other & client[c].cache = exclusive) -> client[other].cache = invalid
  end end;

invariant "the memory is up to date unless a copy is exclusive"
  !exclusive_granted -> memory = latest;

invariant "every copy is up to date"
  forall c: Client do client[c].cache != invalid -> client[c].data = latest end;
