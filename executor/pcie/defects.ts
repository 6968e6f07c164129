/**
 * How an endpoint can be broken on purpose: each switch makes it break one of the rules that the system trusts a device to
 * keep (ATS-15), to show what the rule is for.
 */

/** The switches, with what the broken endpoint does. */
export const defectsOfEndpoint = {
  keepsOvertakenCompletions:
    'a completion overtaken by an invalidation is cached as if nothing had happened (breaks ATS-16)',
  acknowledgesBeforeWrites:
    'the Invalidate Completion passes posted writes and does not wait for reads (breaks ATS-17, ATS-18)',
  ignoresInvalidations: 'an invalidation is acknowledged, and drops nothing (breaks ATS-17)',
  neverAcknowledges: 'no invalidation is ever acknowledged (breaks ATS-26)',
  invalidatesOnlyWithoutPasid:
    'an invalidation without PASID drops only what was requested without PASID (breaks ATS-34)',
  usesWithoutPermission:
    'translated requests are sent whatever the translation permits, R = W = 0 included (breaks ATS-03, ATS-15)',
  usesAcrossPasids: 'a translation is used for any PASID, and without one (breaks ATS-06)',
  ignoresUntranslatedOnly: 'translated requests are sent though the completion had U set (breaks ATS-08)',
  forgesTranslations: 'translated requests are sent for addresses that no completion gave (breaks ATS-01)',
  keepsEntriesWhenDisabled: 'the ATC survives that ATS is disabled and enabled again (breaks ATS-20)',
  keepsEntriesOverReset: 'the ATC survives a function level reset (breaks ATS-20, ATS-37)',
  reusesGroups: 'a page request group index is used again while it is outstanding (breaks PRI-03)',
  exceedsAllocation: 'more page requests are outstanding than were allocated (breaks PRI-04)',
  ignoresResponseFailure: 'page requests go on after a Response Failure (breaks PRI-10)',
  stopsWithoutFlush: 'a PASID stop completes with its requests on the link (breaks PRI-29)',
  forgetsStoppedGroups: 'a PASID stop frees the indices and credits of groups without a response (breaks PRI-32)',
} as const;

/** The name of a switch. */
export type EndpointDefect = keyof typeof defectsOfEndpoint;

/** Which switches are on; none by default. */
export type EndpointDefects = { readonly [K in EndpointDefect]?: boolean };
