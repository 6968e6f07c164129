/**
 * What was measured, as a table with the ratio to each peer for people, and as JSON for programs.
 */
import { cpus, totalmem } from 'node:os';
import { fit, head, row } from '../../reports/table.ts';
import type { Outcome, Row } from './harness.ts';
import { ownName } from './own.ts';

/** How much longer this project takes on a subject, with one worker, than a peer in its best mode. */
export interface Ratio {
  readonly subject: string;
  readonly own: Row;
  readonly peer: Row;
  /** Below 1 where this project is faster. */
  readonly ratio: number;
}

const width = 160;
const right = 'right' as const;
const columns = [
  { title: 'model' },
  { title: 'tool' },
  { title: 'mode' },
  { title: 'workers', align: right },
  { title: 'states', align: right },
  { title: 'transitions', align: right },
  { title: 'seconds', align: right },
  { title: 'search', align: right },
  { title: 'processor', align: right },
  { title: 'states/s', align: right },
  { title: 'transitions/s', align: right },
  { title: 'MB', align: right },
  { title: 'bytes/state', align: right },
];

/** The table, line by line. */
export function tableOf(rows: readonly Row[]): readonly string[] {
  const cells = rows.map(cellsOf);
  const fitted = fit(columns, cells, width);
  return [...head(fitted), ...cells.flatMap((line) => row(fitted, line))];
}

function cellsOf(of: Row): readonly string[] {
  const { states, transitions, seconds, searchSeconds, processorSeconds, bytes } = of;
  const whole = (n: number): string => Math.round(n).toLocaleString('en');
  return [
    of.subject,
    of.tool,
    of.mode,
    String(of.workers),
    whole(states),
    whole(transitions),
    seconds.toFixed(2),
    searchSeconds?.toFixed(2) ?? '',
    processorSeconds?.toFixed(2) ?? '',
    whole(states / seconds),
    whole(transitions / seconds),
    bytes === undefined ? '' : whole(bytes / 2 ** 20),
    bytes === undefined ? '' : whole(bytes / states),
  ];
}

/** The fastest of the rows. */
function fastest(rows: readonly Row[]): Row | undefined {
  return rows.toSorted((a, b) => a.seconds - b.seconds)[0];
}

/** For each subject and peer: this project with one worker against the best of the peer's modes that reduce nothing. */
export function ratiosOf(rows: readonly Row[]): readonly Ratio[] {
  const full = rows.filter(({ reduced }) => !reduced);
  const subjects = [...new Set(full.map(({ subject }) => subject))];
  const peers = [...new Set(full.map(({ tool }) => tool))].filter((tool) => tool !== ownName);
  return subjects.flatMap((subject) => {
    const of = full.filter((candidate) => candidate.subject === subject);
    const own = fastest(of.filter(({ tool, workers }) => tool === ownName && workers === 1));
    if (own === undefined) return [];
    return peers.flatMap((tool) => {
      const peer = fastest(of.filter((candidate) => candidate.tool === tool));
      return peer === undefined ? [] : [{ subject, own, peer, ratio: own.seconds / peer.seconds }];
    });
  });
}

/** A line for each ratio. */
export function ratioLines(ratios: readonly Ratio[]): readonly string[] {
  return ratios.map(({ subject, own, peer, ratio }) => {
    const workers = peer.workers === 1 ? '1 worker' : `${peer.workers} workers`;
    return (
      `${subject}: ${own.mode}, 1 worker, takes ${ratio.toFixed(2)} times as long as ${peer.tool} at its best ` +
      `(${peer.mode}, ${workers})`
    );
  });
}

/** What is written for programs. */
export function jsonOf(outcome: Outcome, versions: Readonly<Record<string, string>>): string {
  const [cpu] = cpus();
  const machine = { cpu: cpu?.model ?? '', cores: cpus().length, memory: totalmem(), platform: process.platform };
  const ratios = ratiosOf(outcome.rows).map(({ subject, own, peer, ratio }) => ({
    subject,
    mode: own.mode,
    peer: peer.tool,
    peerMode: peer.mode,
    peerWorkers: peer.workers,
    ratio,
  }));
  const rows = outcome.rows.map((of) => ({
    ...of,
    statesPerSecond: of.states / of.seconds,
    transitionsPerSecond: of.transitions / of.seconds,
    ...(of.bytes === undefined ? {} : { bytesPerState: of.bytes / of.states }),
  }));
  const all = { version: 1, machine, versions: { node: process.version, ...versions }, ...outcome, rows, ratios };
  return `${JSON.stringify(all, undefined, 2)}\n`;
}
