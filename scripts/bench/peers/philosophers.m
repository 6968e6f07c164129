-- Dining philosophers, the first of whom begins with the other fork: the states and steps of models/philosophers.ts in Murphi.
-- The harness sets the constant.
const
  seats: 9;

type
  Seat: 0 .. seats - 1;
  Place: enum { take_a_fork, take_the_other, eat, think };

var
  taken: array [Seat] of boolean;
  at: array [Seat] of Place;

function right(seat: Seat): Seat;
begin
  return (seat + 1) % seats;
end;

function first_fork(seat: Seat): Seat;
begin
  if seat = 0 then return right(seat); end;
  return seat;
end;

function second_fork(seat: Seat): Seat;
begin
  if seat = 0 then return seat; end;
  return right(seat);
end;

startstate begin
  for seat: Seat do
    taken[seat] := false;
    at[seat] := take_a_fork;
  end;
end;

ruleset seat: Seat do
  rule "take a fork" at[seat] = take_a_fork & !taken[first_fork(seat)] ==>
  begin
    taken[first_fork(seat)] := true;
    at[seat] := take_the_other;
  end;
  rule "take the other" at[seat] = take_the_other & !taken[second_fork(seat)] ==>
  begin
    taken[second_fork(seat)] := true;
    at[seat] := eat;
  end;
  rule "eat" at[seat] = eat ==>
  begin
    taken[first_fork(seat)] := false;
    at[seat] := think;
  end;
  rule "think" at[seat] = think ==>
  begin
    taken[second_fork(seat)] := false;
    at[seat] := take_a_fork;
  end;
end;

invariant "neighbours never eat at once"
  forall seat: Seat do at[seat] = eat -> at[right(seat)] != eat end;
