-- Invalidation of SMMU TLB and device ATC through one command queue: the states and steps of models/sva.ts in Murphi.
-- The harness sets the constants.
const
  processes: 3;
  pages: 1;
  devices: 1;
  capacity: 2;

type
  Process: scalarset(processes);
  Page: scalarset(pages);
  Device: scalarset(devices);
  Unmap: enum { free, mapped, tlbi_next, atc_inv_next, sync_next, waiting };
  Request: enum { none, sent, answered };
  Operation: enum { tlbi, atc_inv, sync };
  Command: record
    op: Operation;
    process: Process;
    page: Page;
  end;

var
  page: array [Process] of array [Page] of record
    unmap: Unmap;
    tlb: boolean;
  end;
  device: array [Device] of array [Process] of array [Page] of record
    atc: boolean;
    request: Request;
    invalidate: boolean;
  end;
  queue: array [0 .. capacity - 1] of Command;
  length: 0 .. capacity;

procedure push(op: Operation; p: Process; g: Page);
begin
  queue[length].op := op;
  queue[length].process := p;
  queue[length].page := g;
  length := length + 1;
end;

-- The places behind the last command are undefined, so that equal queues are equal states.
procedure shift();
begin
  for i: 0 .. capacity - 2 do
    if i + 1 < length then
      queue[i] := queue[i + 1];
    end;
  end;
  undefine queue[length - 1];
  length := length - 1;
end;

startstate begin
  for p: Process do
    for g: Page do
      page[p][g].unmap := free;
      page[p][g].tlb := false;
      for d: Device do
        device[d][p][g].atc := false;
        device[d][p][g].request := none;
        device[d][p][g].invalidate := false;
      end;
    end;
  end;
  undefine queue;
  length := 0;
end;

ruleset p: Process; g: Page do
  rule "map" page[p][g].unmap = free ==> begin page[p][g].unmap := mapped; end;
  rule "unmap" page[p][g].unmap = mapped ==> begin page[p][g].unmap := tlbi_next; end;
  rule "queueTlbi" page[p][g].unmap = tlbi_next & length < capacity ==>
  begin
    push(tlbi, p, g);
    page[p][g].unmap := atc_inv_next;
  end;
  rule "queueAtcInv" page[p][g].unmap = atc_inv_next & length < capacity ==>
  begin
    push(atc_inv, p, g);
    page[p][g].unmap := sync_next;
  end;
  rule "queueSync" page[p][g].unmap = sync_next & length < capacity ==>
  begin
    push(sync, p, g);
    page[p][g].unmap := waiting;
  end;
end;

ruleset d: Device; p: Process; g: Page do
  alias own: device[d][p][g] do
    rule "request" !own.atc & own.request = none ==> begin own.request := sent; end;
    rule "answer" own.request = sent & (page[p][g].tlb | page[p][g].unmap = mapped) ==>
    begin
      own.request := answered;
      page[p][g].tlb := true;
    end;
    rule "fault" own.request = sent & !page[p][g].tlb & page[p][g].unmap != mapped ==>
    begin
      own.request := none;
    end;
    rule "complete" own.request = answered ==>
    begin
      own.request := none;
      own.atc := true;
    end;
    rule "evict" own.atc ==> begin own.atc := false; end;
    rule "invalidate" own.invalidate ==>
    begin
      own.invalidate := false;
      own.atc := false;
      if own.request = answered then own.request := none; end;
    end;
  end;
end;

rule "executeTlbi" length > 0 & queue[0].op = tlbi ==>
begin
  page[queue[0].process][queue[0].page].tlb := false;
  shift();
end;

rule "executeAtcInv" length > 0 & queue[0].op = atc_inv ==>
begin
  for d: Device do
    device[d][queue[0].process][queue[0].page].invalidate := true;
  end;
  shift();
end;

rule "executeSync" length > 0 & queue[0].op = sync &
  forall d: Device do forall p: Process do forall g: Page do !device[d][p][g].invalidate end end end ==>
begin
  page[queue[0].process][queue[0].page].unmap := free;
  shift();
end;

invariant "no TLB entry of a free page"
  forall p: Process do forall g: Page do page[p][g].unmap = free -> !page[p][g].tlb end end;

invariant "no device holds a translation of a free page"
  forall d: Device do forall p: Process do forall g: Page do
    page[p][g].unmap = free -> (!device[d][p][g].atc & device[d][p][g].request != answered)
  end end end;
