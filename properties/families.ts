/**
 * The protocols as requirements and bugs speak of them: each has one or more models, areas of the numbered requirements that its
 * properties carry, and known bugs that its variants show.
 */
import { pasidLifecycleBugsNotCarried, pasidLifecycleNotCarried } from './pasid-lifecycle.requirements.ts';
import { pageRequestBugsNotCarried, pageRequestNotCarried } from './page-request.requirements.ts';
import { nestedInvalidationBugsNotCarried, nestedInvalidationNotCarried } from './nested-invalidation.requirements.ts';

/** A protocol: the models whose names begin with its name. */
export interface Family {
  readonly name: string;
  /** The areas of requirements that belong to it completely, with the number of requirements in each. */
  readonly areas: Readonly<Record<string, number>>;
  /** For each requirement of these areas that no property carries: why. */
  readonly notCarried: Readonly<Record<string, string>>;
  /** The bugs of the catalogue that belong to it, by what the references of variants call them. */
  readonly bugs: readonly string[];
  /** For each of these that no variant shows: why. */
  readonly bugsNotCarried: Readonly<Record<string, string>>;
}

export const families: readonly Family[] = [
  {
    name: 'atc-invalidation',
    areas: {},
    notCarried: {},
    bugs: ['B1', 'B4', 'B8', 'B10', 'B13', 'C3', 'C9', 'H1', 'CVE-2025-10263'],
    bugsNotCarried: {},
  },
  {
    name: 'pasid-lifecycle',
    areas: { PASID: 23, ENQ: 26, MM: 8 },
    notCarried: pasidLifecycleNotCarried,
    bugs: ['A1', 'A2', 'A3', 'A4', 'A5', 'A6', 'A7', 'A8', 'A9', 'I1', 'I2', 'I3', 'I4', 'I5'],
    bugsNotCarried: pasidLifecycleBugsNotCarried,
  },
  {
    name: 'page-request',
    areas: { PRI: 35, IOPF: 19, STALL: 6, PRIEN: 3, HOST: 19 },
    notCarried: pageRequestNotCarried,
    bugs: ['E1', 'E3', 'E4', 'E5', 'E6', 'E7', 'E9', 'E10', 'E11', 'A6', 'C1', 'C2', 'C8'],
    bugsNotCarried: pageRequestBugsNotCarried,
  },
  {
    name: 'nested-invalidation',
    areas: { NEST: 21, VSVA: 13 },
    notCarried: nestedInvalidationNotCarried,
    bugs: [
      'G1',
      'G2',
      'G7',
      'G8',
      'G9',
      'G10',
      'tlbi-loses-against-traffic',
      'mmu700-missing-sync-between-types',
      'mmu600-700-nested-tlbi',
    ],
    bugsNotCarried: nestedInvalidationBugsNotCarried,
  },
];

/** The requirements of a family's areas: `PRI-01` and so on. */
export function requirementsOf({ areas }: Family): readonly string[] {
  return Object.entries(areas).flatMap(([area, count]) =>
    Array.from({ length: count }, (_, i) => `${area}-${String(i + 1).padStart(2, '0')}`),
  );
}
