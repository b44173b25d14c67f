/** A client of one network and a workload of another one, with a gateway between them: two engines at each end, which hand over to each other. */
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import { candidate, TestEngine, type TestPod } from '../engine/engine.ts';

export const AUTHORITY = 'echo.test.svc.clusterset.local:80';

export type Agents = readonly [TestEngine, TestEngine];

export class GatewayScene implements AsyncDisposable {
  /** Of the client and the gateway, and of the workload behind it. */
  readonly near = new TestAuthority('near.example');
  readonly far = new TestAuthority('far.example');
  readonly client = this.near.certificate('client');
  readonly gateway = this.near.certificate('gateway');
  readonly workload = this.far.certificate('workload');
  readonly callers: Agents = [new TestEngine(), new TestEngine()];
  readonly called: Agents = [new TestEngine(), new TestEngine()];
  readonly between = new TestEngine();

  get #engines(): readonly TestEngine[] {
    return [...this.callers, ...this.called, this.between];
  }

  /** A client of a workload behind a gateway, whose application listens at a port. */
  throughGateway(port: number): TestPod {
    for (const engine of this.#engines) engine.trust(this.near, this.far);
    const [behind] = this.called.map((engine) => {
      engine.inbound = () => ({ kind: 'dial', port, service: undefined, tunnel: undefined, proxyDestination: undefined });
      return engine.server(this.workload);
    });
    const passing = this.between.server(this.gateway, { kind: 'gateway' });
    this.between.plans(passing.uid, () => ({ kind: 'balance', service: undefined, candidates: [candidate((behind as TestPod).port, this.workload.identity, { hop: 'plain', authority: '' })], limits: { maxConnections: undefined, maxPending: undefined }, affinity: 'none' }));
    return this.callersTo(passing.port);
  }

  /** A client of a workload behind the gateway at a port. */
  callersTo(port: number): TestPod {
    const [pod] = this.callers.map((engine) => engine.client(this.client, [candidate(port, this.gateway.identity, { hop: 'double-hbone', authority: AUTHORITY, innerIdentities: [this.workload.identity] })], { network: 'east' }));
    return pod as TestPod;
  }

  /** As if nothing had been. */
  async reset(): Promise<void> {
    await Promise.all(this.#engines.map(async (engine) => await engine.reset()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of [this.near, this.far]) each[Symbol.dispose]();
    for (const engine of this.#engines) await engine[Symbol.asyncDispose]();
  }
}
