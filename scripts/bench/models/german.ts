/**
 * German's cache coherence protocol with data, as the Murphi community has it: a directory grants shared or exclusive copies to
 * clients over three channels each. The memory may start with either of two values, so there are two initial states.
 */
/* oxlint-disable typescript/unbound-method -- as for the protocols in model/: what a model is built with needs no `this` */
import { bool, each, model, oneOf, optional, properties, range, sort } from '../../../language/index.ts';

const Client = sort('client');
/** Two values are enough to tell fresh data from stale. */
const data = range(0, 1);

export const german = model({
  name: 'bench/german',
  doc: 'A directory that grants shared and exclusive copies of one cache line.',
  sizes: { smoke: { client: 2 }, ci: { client: 3 }, medium: { client: 4 }, deep: { client: 5 } },
  state: {
    client: each(Client, {
      cache: oneOf('invalid', 'shared', 'exclusive'),
      data: optional(data),
      /** Channel 1: what the client asks for. */
      request: oneOf('none', 'shared', 'exclusive'),
      /** Channel 2: what the directory tells the client. */
      answer: oneOf('none', 'invalidate', 'grant shared', 'grant exclusive'),
      answerData: optional(data),
      /** Channel 3: an invalidation is acknowledged, and the data of an exclusive copy written back. */
      acknowledged: bool,
      writtenBack: optional(data),
      /** Whether the directory has still to invalidate the client's copy, and whether it knows of one. */
      toInvalidate: bool,
      sharer: bool,
    }),
    exclusiveGranted: bool,
    /** The request that the directory serves. */
    serving: oneOf('none', 'shared', 'exclusive'),
    requester: optional(Client),
    memory: data,
    /** Seen by no one: what was stored last. */
    latest: data,
  },
  initial: {
    choose: { memory: data },
    then: (s, { memory }) => {
      s.memory = memory;
      s.latest = memory;
    },
  },
  actions: ({ action, members }) => ({
    requestShared: action(
      { client: Client },
      {
        actor: 'client',
        when: {
          'channel 1 is empty': (s, { client }) => s.client[client].request === 'none',
          'it has no copy': (s, { client }) => s.client[client].cache === 'invalid',
        },
        then: { 'send the request': (s, { client }) => void (s.client[client].request = 'shared') },
      },
    ),
    requestExclusive: action(
      { client: Client },
      {
        actor: 'client',
        when: {
          'channel 1 is empty': (s, { client }) => s.client[client].request === 'none',
          'it has no exclusive copy': (s, { client }) => s.client[client].cache !== 'exclusive',
        },
        then: { 'send the request': (s, { client }) => void (s.client[client].request = 'exclusive') },
      },
    ),
    receiveRequest: action(
      { client: Client },
      {
        actor: 'directory',
        when: {
          'no request is served': (s) => s.serving === 'none',
          'channel 1 has a request': (s, { client }) => s.client[client].request !== 'none',
        },
        then: {
          'serve it': (s, { client }) => {
            s.serving = s.client[client].request;
            s.requester = client;
            s.client[client].request = 'none';
          },
          'invalidate all sharers': (s) => {
            for (const other of members(Client)) s.client[other].toInvalidate = s.client[other].sharer;
          },
        },
      },
    ),
    sendInvalidate: action(
      { client: Client },
      {
        actor: 'directory',
        when: {
          'channel 2 is empty': (s, { client }) => s.client[client].answer === 'none',
          'the client is to be invalidated': (s, { client }) => s.client[client].toInvalidate,
          'the request needs it': (s) => s.serving === 'exclusive' || (s.serving === 'shared' && s.exclusiveGranted),
        },
        then: {
          'send the invalidation': (s, { client }) => {
            s.client[client].answer = 'invalidate';
            s.client[client].toInvalidate = false;
          },
        },
      },
    ),
    acknowledge: action(
      { client: Client },
      {
        actor: 'client',
        when: {
          'an invalidation has come': (s, { client }) => s.client[client].answer === 'invalidate',
          'channel 3 is empty': (s, { client }) => !s.client[client].acknowledged,
        },
        then: {
          'send the acknowledgement': (s, { client }) => {
            const own = s.client[client];
            own.answer = 'none';
            own.acknowledged = true;
            if (own.cache === 'exclusive') own.writtenBack = own.data;
          },
          'drop the copy': (s, { client }) => {
            s.client[client].cache = 'invalid';
            s.client[client].data = null;
          },
        },
      },
    ),
    receiveAcknowledgement: action(
      { client: Client },
      {
        actor: 'directory',
        when: {
          'channel 3 has an acknowledgement': (s, { client }) => s.client[client].acknowledged,
          'a request is served': (s) => s.serving !== 'none',
        },
        then: {
          'forget the sharer': (s, { client }) => {
            s.client[client].acknowledged = false;
            s.client[client].sharer = false;
          },
          'write back': (s, { client }) => {
            const { writtenBack } = s.client[client];
            if (!s.exclusiveGranted || writtenBack === null) return;
            s.exclusiveGranted = false;
            s.memory = writtenBack;
            s.client[client].writtenBack = null;
          },
        },
      },
    ),
    grantShared: action(
      { client: Client },
      {
        actor: 'directory',
        when: {
          'the client asks for it': (s, { client }) => s.serving === 'shared' && s.requester === client,
          'channel 2 is empty': (s, { client }) => s.client[client].answer === 'none',
          'no copy is exclusive': (s) => !s.exclusiveGranted,
        },
        then: {
          'send the grant': (s, { client }) => {
            s.client[client].answer = 'grant shared';
            s.client[client].answerData = s.memory;
            s.client[client].sharer = true;
          },
          'the request is served': (s) => {
            s.serving = 'none';
            s.requester = null;
          },
        },
      },
    ),
    grantExclusive: action(
      { client: Client },
      {
        actor: 'directory',
        when: {
          'the client asks for it': (s, { client }) => s.serving === 'exclusive' && s.requester === client,
          'channel 2 is empty': (s, { client }) => s.client[client].answer === 'none',
          'no copy is exclusive': (s) => !s.exclusiveGranted,
          'there are no sharers': (s) => s.client.every(({ sharer }) => !sharer),
        },
        then: {
          'send the grant': (s, { client }) => {
            s.client[client].answer = 'grant exclusive';
            s.client[client].answerData = s.memory;
            s.client[client].sharer = true;
            s.exclusiveGranted = true;
          },
          'the request is served': (s) => {
            s.serving = 'none';
            s.requester = null;
          },
        },
      },
    ),
    receiveShared: action(
      { client: Client },
      {
        actor: 'client',
        when: { 'a shared grant has come': (s, { client }) => s.client[client].answer === 'grant shared' },
        then: {
          'take the copy': (s, { client }) => {
            const own = s.client[client];
            own.cache = 'shared';
            own.data = own.answerData;
            own.answer = 'none';
            own.answerData = null;
          },
        },
      },
    ),
    receiveExclusive: action(
      { client: Client },
      {
        actor: 'client',
        when: { 'an exclusive grant has come': (s, { client }) => s.client[client].answer === 'grant exclusive' },
        then: {
          'take the copy': (s, { client }) => {
            const own = s.client[client];
            own.cache = 'exclusive';
            own.data = own.answerData;
            own.answer = 'none';
            own.answerData = null;
          },
        },
      },
    ),
    store: action(
      { client: Client, value: data },
      {
        actor: 'client',
        when: { 'it has the exclusive copy': (s, { client }) => s.client[client].cache === 'exclusive' },
        then: {
          'write it': (s, { client, value }) => {
            s.client[client].data = value;
            s.latest = value;
          },
        },
      },
    ),
  }),
});

export const germanProperties = properties(german, ({ invariant }) => ({
  'an exclusive copy is the only one': invariant({
    forall: { client: Client, other: Client },
    given: (s, { client, other }) => s.client[client].cache === 'exclusive' && client !== other,
    holds: (s, { other }) => s.client[other].cache === 'invalid',
  }),
  'the memory is up to date unless a copy is exclusive': invariant({
    given: (s) => !s.exclusiveGranted,
    holds: (s) => s.memory === s.latest,
  }),
  'every copy is up to date': invariant({
    forall: { client: Client },
    given: (s, { client }) => s.client[client].cache !== 'invalid',
    holds: (s, { client }) => s.client[client].data === s.latest,
  }),
}));
