import { OnDemand } from '@landbridge/agent/discovery/on-demand.ts';
import { Registry } from '@landbridge/agent/discovery/registry.ts';
import { parseAddress } from '@landbridge/agent/discovery/wds-address.ts';
import { Asking } from '@landbridge/federation/xds/asking.ts';
import { OnDemandIndex } from '@landbridge/federation/xds/on-demand-index.ts';
import type { Resource } from '@landbridge/federation/xds/resource.ts';
import test from 'ava';
import fc from 'fast-check';
import { encodeAll, type ExampleResource, keyOf, uidOf } from './example-mesh.ts';

/* What the agent asks, and what the federation service answers, without the stream between them: each message may be late, and the stream may end at any time. */

const LIMITS = { names: 4, idleMs: 100, absentIdleMs: 50 };
const services = ['a', 'b'];
const workloads = ['p', 'q', 'r'];
const ips = ['10.0.0.1', '10.0.0.2', '10.0.0.3'];
const NAMES = [...ips.map((ip) => `/${ip}`), ...services.map(keyOf), ...workloads.map(uidOf)];

const service = fc.record({ kind: fc.constant('service' as const), host: fc.constantFrom(...services), ip: fc.constantFrom(...ips) });
const workload = fc.record({ kind: fc.constant('workload' as const), name: fc.constantFrom(...workloads), ip: fc.constantFrom(...ips), services: fc.subarray(services) });
const mesh: fc.Arbitrary<readonly ExampleResource[]> = fc.uniqueArray(fc.oneof(service, workload), { minLength: 2, maxLength: 5, selector: (each) => (each.kind === 'service' ? each.host : each.name) });
const name = fc.constantFrom(...NAMES);
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('ask' as const), names: fc.array(name, { minLength: 1, maxLength: 2 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('become' as const), mesh }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('hear' as const, 'answer' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('settle' as const) }) },
  fc.record({ kind: fc.constant('sweep' as const), ms: fc.integer({ min: 0, max: 120 }) }),
  fc.record({ kind: fc.constant('cut' as const) }),
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
const ask = (...names: string[]): Step => ({ kind: 'ask', names });
const become = (...mesh: ExampleResource[]): Step => ({ kind: 'become', mesh });
const serviceAt = (host: string, ip: string): ExampleResource => ({ kind: 'service', host, ip });
const workloadAt = (ip: string, ...behind: string[]): ExampleResource => ({ kind: 'workload', name: 'r', ip, services: behind });
const hear: Step = { kind: 'hear' };
const answer: Step = { kind: 'answer' };
const settle: Step = { kind: 'settle' };
const cut: Step = { kind: 'cut' };

/** What rare orders did once. */
const ORDERS: [Step[], string[]][] = [
  // A service that nothing asks for any more is told with what is behind it, and alone once it has the address again.
  [[ask('/10.0.0.1'), become(serviceAt('a', '10.0.0.1')), settle, cut, become(serviceAt('a', '10.0.0.2'), workloadAt('10.0.0.2', 'a')), settle, become(serviceAt('a', '10.0.0.1'), workloadAt('10.0.0.2', 'a'))], ['/10.0.0.1']],
  // What is at an address when it is asked for is other than when that is answered, and known by another name.
  [[ask(uidOf('r')), become(workloadAt('10.0.0.2')), settle, become(), ask('/10.0.0.2'), hear, hear, become(workloadAt('10.0.0.2'))], ['/10.0.0.2']],
  // A stream ends when nothing asked for a service any more, and its address was asked for again, of which another one was told meanwhile.
  [[ask('/10.0.0.3', '/10.0.0.2'), become(serviceAt('a', '10.0.0.3'), serviceAt('b', '10.0.0.2')), settle, become(serviceAt('a', '10.0.0.1'), serviceAt('b', '10.0.0.2')), settle, ask('/10.0.0.1'), become(serviceAt('a', '10.0.0.1'), serviceAt('b', '10.0.0.1')), answer, answer, cut], ['/10.0.0.1']],
];

/** The two ends, and what is under way between them. */
class Ends {
  readonly registry = new Registry();
  nowMs = 0;
  readonly onDemand = new OnDemand(this.registry, { node: 'n', controlPlane: 'own', clusterDomain: 'cluster.local', forgotten: (names) => this.#forget(names), limits: LIMITS, now: () => this.nowMs });
  readonly #versions = new Map<string, string>();
  readonly #index = new OnDemandIndex('cluster.local');
  #resources: ReadonlyMap<string, Resource> = new Map();
  #asking!: Asking;
  /** Requests that the control plane has not read. */
  #requests: { readonly subscribe: readonly string[]; readonly unsubscribe: readonly string[] }[] = [];
  #answer: ReturnType<Asking['missing']> | undefined;

  constructor() {
    this.cut();
  }

  cut(): void {
    this.onDemand.ended();
    this.#requests = [];
    this.#answer = undefined;
    const asked = this.onDemand.begin((changes) => {
      this.#requests.push({ subscribe: [], unsubscribe: changes.unsubscribe }, { subscribe: changes.subscribe, unsubscribe: [] });
    });
    this.#asking = new Asking(this.#index, () => this.#resources, { known: this.#versions, asked }, () => true);
  }

  become(examples: readonly ExampleResource[]): void {
    const before = this.#resources;
    this.#resources = encodeAll(examples);
    for (const _ of this.#index.update(this.#resources, new Set([...before.keys(), ...this.#resources.keys()])));
  }

  /** The control plane reads a request. */
  hear(): void {
    this.onDemand.flush();
    const request = this.#requests.shift();
    if (request !== undefined) this.#asking.ask(request.subscribe, request.unsubscribe);
  }

  /** An answer arrives, and the next one is made. */
  answer(): void {
    if (this.#answer !== undefined) {
      const { updated, removed } = this.#answer;
      for (const [told, { version }] of updated) this.#versions.set(told, version);
      for (const told of removed) this.#versions.delete(told);
      const parsed = updated.map(([, { bytes }]) => parseAddress(bytes)).flatMap((result) => (result.ok ? [result.value] : []));
      this.onDemand.apply({ updated: parsed, removed });
      this.onDemand.told(parsed, removed);
    }
    this.#answer = this.#asking.missing();
    this.#asking.told(this.#answer);
  }

  sweep(ms: number): void {
    this.nowMs += ms;
    this.onDemand.sweep();
  }

  #forget(names: readonly string[]): void {
    for (const gone of names) this.#versions.delete(gone);
  }

  settle(): void {
    do this.hear();
    while (this.#requests.length > 0);
    // Those that are under way, and what there is to say then.
    for (let i = 0; i < 3; i++) this.answer();
  }

  /** As one sees it who follows everything. */
  truth(): Registry {
    const registry = new Registry();
    registry.apply({ updated: [...this.#resources.values()].map(({ bytes }) => parseAddress(bytes)).flatMap((result) => (result.ok ? [result.value] : [])), removed: [] });
    return registry;
  }
}

test('whatever was asked for and however it was told, what an agent knows of a name is what there is', (t) => {
  fc.assert(fc.property(fc.array(step, { minLength: 10, maxLength: 40 }), fc.array(name, { minLength: 1, maxLength: 3 }), (steps, last) => {
    const ends = new Ends();
    for (const each of steps) {
      switch (each.kind) {
        case 'ask':
          ends.onDemand.need(each.names);
          break;
        case 'become':
          ends.become(each.mesh);
          break;
        case 'sweep':
          ends.sweep(each.ms);
          break;
        default:
          ends[each.kind]();
      }
    }
    // A service that was known by its address has to be asked for by its name where it is gone, or the address is let go of.
    for (let i = 0; i < 4; i++) {
      ends.onDemand.need(last);
      ends.settle();
    }
    t.true(ends.onDemand.need(last), 'all is answered');
    const truth = ends.truth();
    const described = (registry: Registry, asked: string): unknown => {
      const found = registry.serviceAt(asked) ?? registry.service(asked);
      return [registry.workloadAt(asked), registry.workload(asked), found, found === undefined ? [] : registry.endpointsOf(found)];
    };
    for (const asked of NAMES) if (ends.onDemand.isKnown(asked)) t.deepEqual(described(ends.registry, asked), described(truth, asked), asked);
    // Nothing stays that nobody asks for.
    ends.sweep(1000);
    t.deepEqual(ends.registry.names(), []);
  }), { numRuns: 400, examples: ORDERS });
});
