/**
 * The PASID capability of a function: which PASIDs its requests may carry, and which of them it was told to stop using
 * (PCIe 6.20; PRI-29..33).
 */
import { done, type Outcome, refused } from './outcome.ts';

/** What is built in. */
export interface PasidCapability {
  /** Max PASID Width, 1..20 bits. */
  readonly width: number;
  /** Execute Permission Supported, Privileged Mode Supported. */
  readonly execute?: boolean;
  readonly privileged?: boolean;
}

/** How a function stops using a PASID: it waits for all responses, or sends a Stop Marker and does not wait (PRI-30). */
export type StopKind = 'after all responses' | 'with a stop marker';

/** A PASID that is being, or was, stopped. */
export interface Stop {
  readonly kind: StopKind;
  readonly complete: boolean;
}

/** What a request says of its PASID. */
export interface PasidPrefix {
  readonly pasid?: number;
  readonly privileged?: boolean;
  readonly execute?: boolean;
}

/** The capability, its enables, and the stops. */
export class Pasids {
  readonly #capability: PasidCapability | undefined;
  #enabled: { readonly execute: boolean; readonly privileged: boolean } | undefined;
  #stops: ReadonlyMap<number | undefined, Stop> = new Map();
  #markersOwed: ReadonlyMap<number, number> = new Map();

  /** Throws `RangeError` for a width outside 1..20 (PASID-01). */
  constructor(capability: PasidCapability | undefined) {
    if (capability !== undefined && !(capability.width >= 1 && capability.width <= 20)) {
      throw new RangeError(`a PASID width of ${capability.width} bits`);
    }
    this.#capability = capability;
  }

  get width(): number | undefined {
    return this.#capability?.width;
  }

  get enabled(): boolean {
    return this.#enabled !== undefined;
  }

  /** By PASID; `undefined`: what is sent without one. */
  get stops(): ReadonlyMap<number | undefined, Stop> {
    return this.#stops;
  }

  /** How many complete stops of a PASID have not sent their Stop Marker. */
  markersOwed(pasid: number | undefined): number {
    return pasid === undefined ? 0 : (this.#markersOwed.get(pasid) ?? 0);
  }

  /** Records how many Stop Markers are owed. */
  setMarkersOwed(pasid: number, count: number): void {
    this.#markersOwed = new Map([...this.#markersOwed, [pasid, count]]);
  }

  enable(wanted: { readonly execute?: boolean; readonly privileged?: boolean }): Outcome {
    if (this.#capability === undefined) return refused('the function has no PASID capability');
    const { execute = false, privileged = false } = wanted;
    if (execute && this.#capability.execute !== true) return refused('execute permission is not supported');
    if (privileged && this.#capability.privileged !== true) return refused('privileged mode is not supported');
    this.#enabled = { execute, privileged };
    return done();
  }

  disable(): void {
    this.#enabled = undefined;
  }

  /** What a function level reset leaves. */
  clear(): void {
    this.#enabled = undefined;
    this.#stops = new Map();
    this.#markersOwed = new Map();
  }

  /** Why a request with this prefix cannot be sent at all. Throws `RangeError` for what is no PASID. */
  whyNot({ pasid, privileged = false, execute = false }: PasidPrefix): string | undefined {
    if (pasid === undefined) {
      return privileged || execute ? 'privileged and execute requests need a PASID (ATS-07)' : undefined;
    }
    if (!Number.isInteger(pasid) || pasid < 0 || pasid >= 2 ** 20) throw new RangeError(`PASID ${pasid} (PASID-01)`);
    if (this.#capability === undefined || this.#enabled === undefined) return 'PASIDs are not enabled';
    if (pasid >= 2 ** this.#capability.width) {
      return `PASID ${pasid} does not fit ${this.#capability.width} bits (PASID-06)`;
    }
    if (execute && !this.#enabled.execute) return 'execute permission is not enabled';
    if (privileged && !this.#enabled.privileged) return 'privileged mode is not enabled';
    return undefined;
  }

  /** Why a new request of a PASID cannot be sent now: it is being stopped, or was. */
  whyStopped(pasid: number | undefined): string | undefined {
    const stop = this.#stops.get(pasid);
    if (stop === undefined) return undefined;
    return stop.complete ? `${inWords(pasid)} is stopped` : `${inWords(pasid)} is being stopped (PRI-29)`;
  }

  /** Records how far a stop is; `undefined`: the PASID is in use (again). */
  set(pasid: number | undefined, stop: Stop | undefined): void {
    const stops = new Map(this.#stops);
    if (stop === undefined) stops.delete(pasid);
    else stops.set(pasid, stop);
    this.#stops = stops;
  }
}

/** What is stopped: a PASID, or for `undefined` what is sent without one. */
export function inWords(pasid: number | undefined): string {
  return pasid === undefined ? 'what has no PASID' : `PASID ${pasid}`;
}
