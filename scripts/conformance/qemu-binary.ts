/**
 * Where QEMU is, which version it is, and how to get it on Debian.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { UsageError } from '../usage-error.ts';

/** A QEMU for AArch64. */
export interface QemuBinary {
  readonly path: string;
  /** What it must be started with beside the machine: where its data is. */
  readonly args: readonly string[];
  readonly version: string;
  readonly major: number;
}

const program = 'qemu-system-aarch64';

/** The binary that `SVACHECK_QEMU` names, with its data in `SVACHECK_QEMU_DATA`, or the one on PATH; `undefined`: none is there. */
export function findQemu(): QemuBinary | undefined {
  const { SVACHECK_QEMU: path = program, SVACHECK_QEMU_DATA: data } = process.env;
  const { error } = spawnSync(path, ['--version']);
  return error === undefined ? qemuAt(path, data) : undefined;
}

/** A binary by its path, with its data folder if it is not installed. Throws `UsageError` if it does not run. */
export function qemuAt(path: string, data?: string): QemuBinary {
  const { stdout, error, status } = spawnSync(path, ['--version'], { encoding: 'utf8' });
  if (error !== undefined || status !== 0) throw new UsageError(`${path} does not run`, { cause: error });
  const [, version = '', major = ''] = /version ((\d+)\.[\d.]+)/.exec(stdout) ?? [];
  return { path, args: data === undefined ? [] : ['-L', data], version, major: Number(major) };
}

/** The QEMU that is there, else Debian's is installed. Throws `UsageError` if that cannot be done. */
export function findOrInstallQemu(): QemuBinary {
  const found = findQemu();
  if (found !== undefined) return found;
  const how = `install Debian's qemu-system-arm, or set SVACHECK_QEMU to a ${program}`;
  if (process.getuid?.() !== 0) throw new UsageError(`${program} is not on PATH, and only root can install it: ${how}`);
  try {
    apt('update');
    apt('install', '-y', '--no-install-recommends', 'qemu-system-arm');
  } catch (error) {
    throw new UsageError(`${program} is not on PATH and could not be installed: ${how}`, { cause: error });
  }
  return qemuAt(program);
}

const backports = 'deb http://deb.debian.org/debian bookworm-backports main';
const packages = ['qemu-system-arm', 'qemu-system-data', 'qemu-system-common'];

/**
 * QEMU 10 of Debian's backports, unpacked in the user's cache; it runs beside the installed one, with its libraries. Throws
 * `UsageError` if it cannot be had.
 */
export function newerQemu(): QemuBinary {
  const folder = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'svacheck', 'qemu-backports');
  if (!existsSync(folder)) {
    findOrInstallQemu();
    try {
      fetchNewer(folder);
    } catch (error) {
      const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
      throw new UsageError(`QEMU of ${backports} cannot be had: ${reason}`, { cause: error });
    }
  }
  return qemuAt(join(folder, 'usr/bin', program), join(folder, 'usr/share/qemu'));
}

/** With lists and state of its own, so that apt of the system stays as it is. */
function fetchNewer(folder: string): void {
  const work = `${folder}.${process.pid}.tmp`;
  try {
    for (const part of ['lists/partial', 'cache/archives/partial', 'packages', 'root']) {
      mkdirSync(join(work, part), { recursive: true });
    }
    writeFileSync(join(work, 'sources.list'), `${backports}\n`);
    const options = [
      `Dir::Etc::sourcelist=${join(work, 'sources.list')}`,
      'Dir::Etc::sourceparts=-',
      `Dir::State::lists=${join(work, 'lists')}`,
      `Dir::Cache=${join(work, 'cache')}`,
    ].flatMap((option) => ['-o', option]);
    apt(...options, 'update');
    execFileSync('apt-get', [...options, 'download', ...packages.map((name) => `${name}/bookworm-backports`)], {
      cwd: join(work, 'packages'),
      stdio: 'inherit',
    });
    for (const file of readdirSync(join(work, 'packages'))) {
      execFileSync('dpkg-deb', ['-x', join(work, 'packages', file), join(work, 'root')]);
    }
    renameSync(join(work, 'root'), folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function apt(...args: readonly string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  execFileSync('apt-get', args, { stdio: ['ignore', process.stderr.fd, 'inherit'], env });
}
