import { once } from 'node:events';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import type { AuthorizationPolicy } from '@landbridge/core/authorization.ts';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { waitFor } from '@landbridge/core/retry-delay.ts';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import { type RoutePlan, threadShare } from '@landbridge/core/route-plan.ts';
import { createWaker, wake } from '@landbridge/native/epoll.ts';
import { close } from '@landbridge/native/stream-socket.ts';
import { holdPrecedence } from '@landbridge/native/thread-precedence.ts';
import { type Interrupt, makeInterrupt } from '../hbone/event-loop.ts';
import type { CollectGarbage, ThreadSetup } from './data-thread-main.ts';
import type { ConnectionTuning, ConnectionView, FromThread, InboundAnswer, PodSpec, RouteDestination, ToThread, TrafficReport } from './thread-messages.ts';

/** What the data plane asks of the control plane. */
export interface DataPlaneQuestions {
  /** Where connections of a pod, or through a gateway, go. */
  /** Undefined: not known yet; asked again by `refreshPlans`. */
  plan(uid: string, destination: RouteDestination): RoutePlan | undefined;
  /** Nobody uses the plan any more. */
  planGone?(uid: string, destination: RouteDestination): void;
  inbound(uid: string, authority: string, localIp: string): InboundAnswer | Promise<InboundAnswer>;
  /** A connection waits for a certificate that is not there. */
  certificateWanted?(identity: SpiffeId): void;
  warn(text: string, fields: Readonly<Record<string, string>>): void;
  /** A data thread has died: connections of all pods are lost, and nothing but a restart helps. */
  died(thread: number, error: Error): void;
}

export interface ListenerSets {
  /** One for each data thread. */
  readonly outbound: readonly number[];
  readonly plaintext: readonly number[];
  readonly hbone: readonly number[];
}

/** How often an agent that ends looks whether its connections have ended. */
const POLL_MS = 100;
const COUNT_MS = 1000;

/** Of a tunnel: the more it has, the longer all of them stand still while it moves to the next agent. ztunnel opens 100. */
const MAX_STREAMS_OPENED = 50;

export const DEFAULT_TUNING: ConnectionTuning = { sameNode: 'relay', maxStreamsPerConnection: MAX_STREAMS_OPENED, poolIdleMs: 60_000, dialTimeoutMs: 10_000, resolveTimeoutMs: 5000, accessLog: 'all' };

/** Of each data thread: what connections hold for a moment must not reach the old generation. Four times as much was no faster at 9,000 connections a second, and took 8 MiB more. */
const YOUNG_GENERATION_MB = 24;
/** A thread that hangs is not to keep a processor from everybody else. */
const MAX_FIRST_MS = 300;

/** Of a thread without any connection: its waker. */
const OWN_SOCKETS = 1;

type Counts = Extract<FromThread, { readonly kind: 'counts' }>;

interface Thread {
  readonly worker: Worker;
  readonly waker: number;
  readonly interrupt: Interrupt;
  /** Plans that the thread has, by key. */
  readonly routes: Map<string, { readonly uid: string; readonly destination: RouteDestination; told: string }>;
  lastSeenMs: number;
  /** The kernel's, once it runs. */
  id?: number;
}

/** Of a question to a data thread. */
export interface Urgency {
  /** Until it has answered the thread comes first on the processors, where the kernel allows it. */
  readonly first?: boolean;
  /** It hears the question, and what it was told before, in the middle of a round: between any two connections. */
  readonly interrupts?: boolean;
}

/** The data threads as the main thread sees them: tells them what holds, and answers what they ask. */
export class DataPlane implements AsyncDisposable {
  readonly #questions: DataPlaneQuestions;
  readonly #threads: Thread[];
  readonly #ready: Promise<void>;
  readonly #replies = new Map<number, (reply: FromThread) => void>();
  /** Pods that threads have not let go of yet. */
  readonly #ending = new Map<string, { left: number; readonly resolve: () => void }>();
  #nextReply = 0;
  #isStopped = false;

  constructor(threads: number, tuning: ConnectionTuning, questions: DataPlaneQuestions) {
    this.#questions = questions;
    this.#threads = Array.from({ length: threads }, (_, index) => this.#start(index, tuning));
    this.#ready = Promise.all(this.#threads.map(({ worker }) => once(worker, 'landbridge-ready'))).then(() => undefined);
    this.#ready.catch(() => {
      // Told by `died`.
    });
  }

  #start(index: number, tuning: ConnectionTuning): Thread {
    const [waker, interrupt] = [createWaker(), makeInterrupt()];
    const worker = new Worker(new URL(`./data-thread-main${path.extname(import.meta.url)}`, import.meta.url), { workerData: { tuning, waker, interrupt } satisfies ThreadSetup, resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB } });
    const thread: Thread = { worker, waker, interrupt, routes: new Map(), lastSeenMs: performance.now() };
    worker.on('message', (message: FromThread) => this.#handle(thread, message));
    worker.on('error', (error) => {
      if (!this.#isStopped) this.#questions.died(index, LandbridgeError.from(error));
    });
    return thread;
  }

  get threads(): number {
    return this.#threads.length;
  }

  /** Resolves once all threads run. */
  get ready(): Promise<void> {
    return this.#ready;
  }

  #send(thread: Thread, message: ToThread | CollectGarbage, interrupts = false): void {
    thread.worker.postMessage(message);
    if (interrupts) Atomics.store(thread.interrupt, 0, 1);
    wake(thread.waker);
  }

  #sendAll(message: ToThread | CollectGarbage): void {
    for (const thread of this.#threads) this.#send(thread, message);
  }

  #handle(thread: Thread, message: FromThread): void {
    thread.lastSeenMs = performance.now();
    switch (message.kind) {
      case 'ready':
        thread.id = message.thread;
        thread.worker.emit('landbridge-ready');
        return;
      case 'route': {
        const { key, uid, destination } = message;
        thread.routes.set(key, { uid, destination, told: '' });
        return this.#tellPlan(thread, key);
      }
      case 'route-gone':
        return this.#routeGone(thread, message.key);
      case 'inbound':
        return void this.#answerInbound(thread, message);
      case 'report':
      case 'counts':
      case 'connections':
      case 'handover': {
        const reply = this.#replies.get(message.id);
        this.#replies.delete(message.id);
        return reply?.(message);
      }
      case 'warning':
        return this.#questions.warn(message.text, message.fields);
      case 'certificate-wanted':
        return this.#questions.certificateWanted?.(message.identity);
      case 'pod-ended': {
        const ending = this.#ending.get(message.uid);
        if (ending === undefined || --ending.left > 0) return;
        this.#ending.delete(message.uid);
        return ending.resolve();
      }
      default:
        return message satisfies never;
    }
  }

  async #answerInbound(thread: Thread, { id, uid, authority, localIp }: Extract<FromThread, { readonly kind: 'inbound' }>): Promise<void> {
    const asked = this.#questions.inbound(uid, authority, localIp);
    const answer = asked instanceof Promise ? await asked : asked;
    if (!this.#isStopped) this.#send(thread, { kind: 'inbound-answer', id, answer });
  }

  #tellPlan(thread: Thread, key: string): void {
    const route = thread.routes.get(key);
    if (route === undefined) return;
    const asked = this.#questions.plan(route.uid, route.destination);
    if (asked === undefined) return;
    const plan = threadShare(asked, this.#threads.length);
    const told = JSON.stringify(plan);
    if (told === route.told) return;
    route.told = told;
    this.#send(thread, { kind: 'plan', key, plan });
  }

  #routeGone(thread: Thread, key: string): void {
    const route = thread.routes.get(key);
    thread.routes.delete(key);
    if (route !== undefined && !this.#threads.some(({ routes }) => routes.has(key))) this.#questions.planGone?.(route.uid, route.destination);
  }

  /** Makes the plans anew that `isAffected`, and tells those that differ. */
  refreshPlans(isAffected: (uid: string, destination: RouteDestination) => boolean): void {
    for (const thread of this.#threads) for (const [key, { uid, destination }] of thread.routes) if (isAffected(uid, destination)) this.#tellPlan(thread, key);
  }

  /** Threads go by these plans no more, and ask anew. Until they hear of it, connections may begin by what held a moment ago. */
  revokePlans(keys: Iterable<string>): void {
    for (const key of keys) for (const thread of this.#threads) if (thread.routes.has(key)) this.#send(thread, { kind: 'plan-revoked', key });
  }

  /** Takes over the listeners; the pod's traffic is carried as soon as there are a certificate and policies. Also tells what changed of a known pod. */
  setPod(pod: Omit<PodSpec, 'listeners'>, listeners: ListenerSets): void {
    for (const [i, thread] of this.#threads.entries()) this.#send(thread, { kind: 'pod', pod: { ...pod, listeners: { outbound: listeners.outbound[i] ?? -1, plaintext: listeners.plaintext[i] ?? -1, hbone: listeners.hbone[i] ?? -1 } } });
  }

  /** Resolves once no thread uses anything of the pod any more: only then may its namespace be closed. */
  async removePod(uid: string, drainMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ending.set(uid, { left: this.#threads.length, resolve });
    this.#sendAll({ kind: 'pod-gone', uid, drainMs });
    await promise;
  }

  setCertificate(identity: SpiffeId, keyPem: string, chainPem: string): void {
    this.#sendAll({ kind: 'certificate', identity, keyPem, chainPem });
  }

  forgetCertificate(identity: SpiffeId): void {
    this.#sendAll({ kind: 'certificate-gone', identity });
  }

  setTrust(bundles: readonly (readonly [trustDomain: string, roots: readonly string[]])[]): void {
    this.#sendAll({ kind: 'trust', bundles });
  }

  setPolicies(uid: string, policies: readonly AuthorizationPolicy[]): void {
    this.#sendAll({ kind: 'policies', uid, policies });
  }

  setAccessLog(mode: ConnectionTuning['accessLog']): void {
    this.#sendAll({ kind: 'access-log', mode });
  }

  /** What happened since the last call, by thread. A thread that does not answer in time is left out. */
  async reports(timeoutMs: number): Promise<readonly { readonly thread: number; readonly report: TrafficReport }[]> {
    const replies = await this.#ask('report-now', timeoutMs);
    return replies.flatMap(({ thread, reply }) => (reply.kind === 'report' ? [{ thread, report: reply.report }] : []));
  }

  async connections(timeoutMs: number): Promise<readonly ConnectionView[]> {
    const replies = await this.#ask('list-connections', timeoutMs);
    return replies.flatMap(({ reply }) => (reply.kind === 'connections' ? reply.connections : []));
  }

  async #ask(kind: 'report-now' | 'count-now' | 'list-connections', timeoutMs: number): Promise<readonly { readonly thread: number; readonly reply: FromThread }[]> {
    const asked = this.#threads.map(async (thread, index) => {
      const id = this.#nextReply++;
      const { promise, resolve } = Promise.withResolvers<FromThread | undefined>();
      this.#replies.set(id, resolve);
      const timer = setTimeout(resolve, timeoutMs, undefined);
      this.#send(thread, { kind, id });
      const reply = await promise;
      clearTimeout(timer);
      this.#replies.delete(id);
      return reply === undefined ? [] : [{ thread: index, reply }];
    });
    return (await Promise.all(asked)).flat();
  }

  /** Asks one thread, however long it takes. @throws LandbridgeError `internal` where the threads are ending */
  async askThread(index: number, question: (id: number) => ToThread, { first = false, interrupts = false }: Urgency = {}): Promise<FromThread> {
    const thread = this.#threadAt(index);
    const id = this.#nextReply++;
    const { promise, resolve } = Promise.withResolvers<FromThread>();
    this.#replies.set(id, resolve);
    using _first = first ? comeFirst(thread, this.#threads) : undefined;
    this.#send(thread, question(id), interrupts);
    return await promise;
  }

  /** The kernel's ids of the threads. */
  get threadIds(): ReadonlySet<number> {
    return new Set(this.#threads.flatMap(({ id }) => id ?? []));
  }

  /** Before anything that is told or asked of this thread afterwards. @throws LandbridgeError `internal` where the threads are ending */
  tellThread(index: number, message: ToThread): void {
    this.#send(this.#threadAt(index), message);
  }

  #threadAt(index: number): Thread {
    const thread = this.#threads[index];
    if (thread === undefined || this.#isStopped) throw new LandbridgeError('internal', 'the data threads have ended');
    return thread;
  }

  /** For times without connections: the threads stand still for some hundredths of a second. */
  collectGarbage(): void {
    this.#sendAll({ kind: 'collect-garbage' });
  }

  /** When each thread was last heard of: one that is stuck answers no report. */
  heartbeat(): readonly { readonly thread: number; readonly lastSeenMs: number }[] {
    return this.#threads.map(({ lastSeenMs }, thread) => ({ thread, lastSeenMs }));
  }

  /** Stops listening, and lets connections end by themselves until nothing of them is left or the signal aborts. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#sendAll({ kind: 'drain' });
    while (!signal.aborted && !(await this.#is(({ openConnections, sockets }) => openConnections === 0 && sockets <= OWN_SOCKETS))) await waitFor(POLL_MS, signal);
  }

  /** In all threads that answer. */
  async openConnections(): Promise<number> {
    const replies = await this.#ask('count-now', COUNT_MS);
    return replies.reduce((sum, { reply }) => sum + (reply.kind === 'counts' ? reply.openConnections : 0), 0);
  }

  /** Whether no connection is open. */
  async isIdle(): Promise<boolean> {
    return await this.#is(({ openConnections }) => openConnections === 0);
  }

  /** Resolves to true once all threads have done what they were told before; to false where one does not answer. */
  async caughtUp(): Promise<boolean> {
    return await this.#is(() => true);
  }

  /** A thread that does not answer is not known to be so. */
  async #is(so: (counts: Counts) => boolean): Promise<boolean> {
    const replies = await this.#ask('count-now', COUNT_MS);
    return replies.length === this.#threads.length && replies.every(({ reply }) => reply.kind === 'counts' && so(reply));
  }

  /** Cuts all connections and ends the threads. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    for (const { resolve } of this.#ending.values()) resolve();
    await Promise.all(this.#threads.map(async (thread) => {
      const exited = once(thread.worker, 'exit');
      this.#send(thread, { kind: 'stop' });
      await exited;
      close(thread.waker);
    }));
  }
}

/** Until it is disposed of, but no longer than a thread may take whose answer is waited for. */
function comeFirst(thread: Thread, all: readonly Thread[]): Disposable {
  // Others may hold what it waits for, such as a lock of V8's.
  const held = holdPrecedence(all.flatMap((each) => (each.id === undefined ? [] : [[each.id, each === thread ? 'first' : 'helping'] as const])));
  const end = (): void => {
    clearTimeout(timer);
    held[Symbol.dispose]();
  };
  const timer = setTimeout(end, MAX_FIRST_MS);
  return { [Symbol.dispose]: end };
}
