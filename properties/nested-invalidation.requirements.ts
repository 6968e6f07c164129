/**
 * What of the requirements of nested translation and of SVA in a guest no property of `nested-invalidation` carries, and why.
 */

export const nestedInvalidationNotCarried: Readonly<Record<string, string>> = {
  'NEST-12':
    'a matter of memory attributes (S2FWB, CANWBS): whether the guest can bypass the caches has no order of steps',
  'NEST-13':
    'RISC-V directory caches are looked up by addresses of tables that the host moves; in the models CD tables move with the guest memory alone, at its end, after the STE was replaced',
  'NEST-14':
    'what entries of VT-d nested translation hold (PGTT, DID) and an erratum that forbids read-only second stages; their invalidation is in the same order as on Arm',
  'VSVA-13': 'feature bits are read before anything else happens, and gate requests as a whole',
};

/** Each bug of the list that no variant shows, and why. */
export const nestedInvalidationBugsNotCarried: Readonly<Record<string, string>> = {};
