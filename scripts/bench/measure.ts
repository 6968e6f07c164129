/**
 * One run of a command: how long the whole process took, and the most memory that it held.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A program, its arguments, and the folder that it runs in. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly folder: string;
}

/** What a run came to. */
export interface Measured {
  readonly seconds: number;
  /** Peak resident memory, of the largest process where there are several; undefined where it cannot be told. */
  readonly bytes: number | undefined;
  /** Processor time of all its processes and threads, which a busy machine changes less; undefined without GNU time. */
  readonly processorSeconds: number | undefined;
  readonly code: number | null;
  /** Standard output and standard error. */
  readonly output: string;
}

/** GNU time, which reports what the kernel has counted. Without it the kernel's count is read while the process runs. */
const gnuTime = '/usr/bin/time';
const millisecondsBetweenLooks = 10;

/** Runs a command to its end. */
export function run({ program, args, folder }: Command): Promise<Measured> {
  const report = existsSync(gnuTime) ? join(tmpdir(), `svacheck-bench-${process.pid}.time`) : undefined;
  const [started, ...words] =
    report === undefined ? [program, ...args] : [gnuTime, '-v', '-o', report, program, ...args];
  return new Promise((done, fail) => {
    const start = performance.now();
    const child = spawn(started, words, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let sampled: number | undefined;
    child.stdout.on('data', (text: Buffer) => (output += text.toString()));
    child.stderr.on('data', (text: Buffer) => (output += text.toString()));
    const looks = setInterval(() => (sampled = peakOf(child.pid) ?? sampled), millisecondsBetweenLooks);
    if (report !== undefined) clearInterval(looks);
    child.on('error', (error) => {
      clearInterval(looks);
      fail(error);
    });
    child.on('close', (code) => {
      const seconds = (performance.now() - start) / 1000;
      clearInterval(looks);
      if (report === undefined) {
        done({ seconds, bytes: sampled, processorSeconds: undefined, code, output });
        return;
      }
      const counted = readFileSync(report, 'utf8');
      rmSync(report, { force: true });
      done({ seconds, bytes: peakIn(counted), processorSeconds: processorSecondsIn(counted), code, output });
    });
  });
}

/** The peak that `time -v` reports. */
export function peakIn(report: string): number | undefined {
  const [, kilobytes] = /Maximum resident set size \(kbytes\): (\d+)/.exec(report) ?? [];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

/** The time in user and system mode that `time -v` reports. */
export function processorSecondsIn(report: string): number | undefined {
  const [, user] = /User time \(seconds\): ([\d.]+)/.exec(report) ?? [];
  const [, system] = /System time \(seconds\): ([\d.]+)/.exec(report) ?? [];
  return user === undefined || system === undefined ? undefined : Number(user) + Number(system);
}

/** The peak of a process so far, as Linux counts it. */
function peakOf(pid: number | undefined): number | undefined {
  try {
    const [, kilobytes] = /VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  } catch {
    return undefined;
  }
}

/** The middle value; of an even number of values, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const ordered = values.toSorted((a, b) => a - b);
  const middle = (ordered.length - 1) / 2;
  return ((ordered[Math.floor(middle)] ?? Number.NaN) + (ordered[Math.ceil(middle)] ?? Number.NaN)) / 2;
}
