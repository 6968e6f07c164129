/**
 * The functions of a scenario as PCIe endpoints: their ATCs, page requests, and what the SMMU sent to them.
 */
import { type DmaResult, Endpoint } from '../pcie/endpoint.ts';
import type { InvalidateRequest, PageResponse, TranslationCompletion } from '../pcie/messages.ts';
import { must } from '../pcie/outcome.ts';
import { encodeTranslation } from '../smmuv3/ats-completion.ts';
import type { Smmu } from '../smmuv3/smmu.ts';
import type { DmaOutcome, ResultFields, Services } from './board.ts';
import { hex } from './hex.ts';
import { type AtsRequest, type DevicePlace, type Dma, type PriRequest, ScenarioError, streamIdOf } from './scenario.ts';

/** One function, and the messages that arrived since they were last asked for. */
interface Function {
  readonly endpoint: Endpoint;
  invalidations: readonly InvalidateRequest[];
  responses: readonly PageResponse[];
  resumed: readonly ResultFields[];
}

/** log2 of a page, and the credits of a function for page requests. */
const stuLog2 = 12;
const allocation = 512;

/** The endpoints of a scenario; each has PASID, ATS and PRI enabled, as far as the SMMU has them. */
export class Functions implements Services {
  readonly #smmu: Smmu;
  readonly #functions: ReadonlyMap<number, Function>;

  constructor(smmu: Smmu, devices: readonly DevicePlace[]) {
    this.#smmu = smmu;
    this.#functions = new Map(devices.map((device) => [streamIdOf(device), connected(smmu, streamIdOf(device))]));
  }

  /** A DMA through the function's ATC; of a read the data, with zeros from where it ended. */
  dma(device: DevicePlace, { iova, data, pasid, privileged, execute }: Dma): DmaOutcome {
    const { endpoint } = this.#of(device);
    const result: DmaResult = endpoint.dma({
      address: iova,
      ...prefix({ pasid, privileged, execute }),
      ...(data.dir === 'write' ? { kind: 'write', bytes: data.bytes } : { kind: 'read', length: data.len }),
    });
    if (result.outcome === 'refused') throw new ScenarioError(result.why);
    const more = { outcome: result.outcome };
    if (data.dir === 'write') return { more };
    const read = new Uint8Array(data.len);
    read.set(result.data);
    return { data: read, more };
  }

  ats(device: DevicePlace, request: AtsRequest): ResultFields {
    const { endpoint } = this.#of(device);
    const sent = endpoint.requestTranslation({
      address: request.iova,
      count: request.count,
      noWrite: request.noWrite,
      ...prefix(request),
    });
    if (!sent.done) throw new ScenarioError(sent.why);
    must(endpoint.deliver(sent.value));
    const answered = endpoint.flights.find(({ id }) => id === sent.value);
    const completion = answered?.kind === 'translation' ? answered.completion : undefined;
    must(endpoint.receiveCompletion(sent.value));
    if (completion === undefined) throw new ScenarioError('the Translation Request was not answered');
    return completionFields(completion);
  }

  atc(device: DevicePlace): ResultFields {
    return {
      entries: this.#of(device).endpoint.atc.translations.map(({ untranslated, pasid, ...translation }) => ({
        iova: hex(untranslated),
        ...(pasid === undefined ? {} : { pasid }),
        ...translationFields(translation),
      })),
    };
  }

  pri(device: DevicePlace, request: PriRequest): ResultFields {
    const { endpoint } = this.#of(device);
    const { iova, group, last, read, write } = request;
    // Without R and W, and with Last, it is a Stop Marker, which takes no credit.
    if (!read && !write && last && request.pasid !== undefined) {
      this.#smmu.pageRequest({
        streamId: endpoint.streamId,
        address: iova,
        group,
        last,
        read,
        write,
        pasid: request.pasid,
      });
      return { iova: hex(iova), group };
    }
    const sent = endpoint.requestPage({ address: iova, group, last, read, write, ...prefix(request) });
    if (!sent.done) throw new ScenarioError(sent.why);
    must(endpoint.deliver(sent.value));
    return { iova: hex(iova), group };
  }

  messages(device: DevicePlace): ResultFields {
    const one = this.#of(device);
    const { invalidations, responses, resumed } = one;
    one.invalidations = [];
    one.responses = [];
    one.resumed = [];
    return {
      invalidations: invalidations.map(({ itag, pasid, global, address, sizeLog2 }) => ({
        itag,
        ...(pasid === undefined ? {} : { pasid }),
        global: Number(global),
        iova: hex(address),
        sizeLog2,
      })),
      responses: responses.map(({ pasid, group, code }) => ({
        ...(pasid === undefined ? {} : { pasid }),
        group,
        code,
      })),
      resumed,
    };
  }

  #of(device: DevicePlace): Function {
    const found = this.#functions.get(streamIdOf(device));
    if (found === undefined) throw new ScenarioError(`no device is called ${device.name}`);
    return found;
  }
}

function connected(smmu: Smmu, streamId: number): Function {
  const { ATS, PRI, SSIDSIZE } = smmu.identity;
  const endpoint = new Endpoint(smmu, streamId, {
    ...(SSIDSIZE === 0 ? {} : { pasid: { width: SSIDSIZE, execute: true, privileged: true } }),
    ...(ATS ? { ats: { globalInvalidate: true } } : {}),
    ...(PRI ? { pri: { capacity: allocation, responsePasidRequired: true } } : {}),
  });
  if (SSIDSIZE > 0) must(endpoint.enablePasid({ execute: true, privileged: true }));
  if (ATS) must(endpoint.enableAts(stuLog2));
  if (ATS && PRI) must(endpoint.enablePri(allocation));
  const one: Function = { endpoint, invalidations: [], responses: [], resumed: [] };
  smmu.connect(streamId, {
    invalidate: (request) => {
      one.invalidations = [...one.invalidations, request];
      endpoint.invalidate(request);
    },
    pageResponse: (response) => {
      one.responses = [...one.responses, response];
      endpoint.pageResponse(response);
    },
    resumed: (stag, admission) => {
      const data = admission.outcome === 'admitted' ? smmu.reachMemory(admission.transaction) : undefined;
      const { kind } = admission.outcome === 'admitted' ? admission.transaction.request : { kind: undefined };
      one.resumed = [
        ...one.resumed,
        {
          stag,
          outcome: admission.outcome,
          ...(kind === 'read' && data !== undefined ? { data: Buffer.from(data).toString('hex') } : {}),
        },
      ];
    },
  });
  return one;
}

interface Prefix {
  readonly pasid?: number | undefined;
  readonly privileged?: boolean | undefined;
  readonly execute?: boolean | undefined;
}

/** The PASID prefix of a request, if it has one. */
function prefix({ pasid, privileged, execute }: Prefix) {
  return {
    ...(pasid === undefined ? {} : { pasid }),
    ...(privileged === undefined ? {} : { privileged }),
    ...(execute === undefined ? {} : { execute }),
  };
}

function completionFields(completion: TranslationCompletion): ResultFields {
  if (completion.status !== 'success') return { status: completion.status, translations: [] };
  return {
    status: completion.status,
    translations: completion.translations.map((translation) => ({
      raw: hex(encodeTranslation(translation)),
      ...translationFields(translation),
    })),
  };
}

function translationFields(translation: Parameters<typeof encodeTranslation>[0]): ResultFields {
  const { address, sizeLog2, read, write, execute, privileged, global, untranslatedOnly } = translation;
  return {
    addr: hex(address),
    sizeLog2,
    read: Number(read),
    write: Number(write),
    execute: Number(execute),
    privileged: Number(privileged),
    global: Number(global),
    untranslatedOnly: Number(untranslatedOnly),
  };
}
