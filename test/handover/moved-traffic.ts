/** Connections of many kinds through what hands them over, each byte of which is checked at both ends. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { HERE } from '../engine/engine.ts';
import { Application } from '../engine/applications.ts';
import { PatternCheck, patternAt } from './patterned-stream.ts';

/** How one end behaves until it is told to finish. */
interface Behaviour {
  readonly sends: 'nothing' | 'all-it-can' | 'answers' | 'ended';
  readonly reads: boolean;
}

const QUIET: Behaviour = { sends: 'nothing', reads: true };
const BUSY: Behaviour = { sends: 'all-it-can', reads: true };
const ENDED: Behaviour = { sends: 'ended', reads: true };
const BLOCKED: Behaviour = { sends: 'all-it-can', reads: false };

/** Client and server. */
export const KINDS: Readonly<Record<string, readonly [Behaviour, Behaviour]>> = {
  idle: [QUIET, QUIET],
  'ping-pong': [{ sends: 'answers', reads: true }, { sends: 'answers', reads: true }],
  'bulk up': [BUSY, QUIET],
  'bulk down': [QUIET, BUSY],
  'bulk both': [BUSY, BUSY],
  'client half-closed': [ENDED, BUSY],
  'server half-closed': [BUSY, ENDED],
  'client reads nothing': [BLOCKED, BUSY],
  'server reads nothing': [BUSY, BLOCKED],
};

const CHUNK = 32 * 1024;
const LITTLE = 64;
/** Said by each end that may, when it is told to finish. */
const LAST_WORDS = 1000;
/** An end that sends all it can waits for its peer beyond this, so that a machine with little memory does. */
const MOST = 1024 * 1024 * 1024;

class End {
  readonly #socket: Socket;
  readonly #stream: number;
  readonly #behaviour: Behaviour;
  readonly check: PatternCheck;
  sent = 0;
  #isFinishing = false;
  fault: Error | undefined;
  readonly over: Promise<unknown>;

  constructor(socket: Socket, stream: number, peer: number, behaviour: Behaviour) {
    this.#socket = socket;
    this.#stream = stream;
    this.#behaviour = behaviour;
    this.check = new PatternCheck(peer);
    this.over = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', (error) => (this.fault = error));
    socket.on('data', (bytes: Buffer) => {
      this.check.take(bytes);
      if (behaviour.sends === 'answers' && !this.#isFinishing) this.say(LITTLE);
    });
    socket.on('drain', () => this.#pump());
    if (!behaviour.reads) socket.pause();
    if (behaviour.sends === 'ended') socket.end();
    else this.#pump();
  }

  say(size: number): boolean {
    const bytes = patternAt(this.#stream, this.sent, size);
    this.sent += size;
    return this.#socket.write(bytes);
  }

  #pump(): void {
    while (this.#behaviour.sends === 'all-it-can' && !this.#isFinishing && this.sent < MOST) if (!this.say(CHUNK)) return;
  }

  finish(): void {
    if (this.#isFinishing) return;
    this.#isFinishing = true;
    this.#socket.resume();
    if (this.#behaviour.sends === 'ended') return;
    this.say(LAST_WORDS);
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

interface Flow {
  readonly kind: string;
  readonly client: End;
  readonly server: End;
}

/** Clients, and the application at the other end of what carries them. */
export class MovedTraffic implements AsyncDisposable {
  readonly #application: Application;
  readonly #accepted: Socket[];
  #wake: () => void = () => {};
  readonly flows: Flow[] = [];

  private constructor(application: Application, accepted: Socket[]) {
    this.#application = application;
    this.#accepted = accepted;
  }

  static async start(): Promise<MovedTraffic> {
    const accepted: Socket[] = [];
    const traffic = new MovedTraffic(await Application.start((socket) => {
      accepted.push(socket);
      traffic.#wake();
    }), accepted);
    return traffic;
  }

  /** Of the application. */
  get port(): number {
    return this.#application.port;
  }

  /** Begins one connection of a kind through a listener that leads to the application. */
  async begin(kind: string, port: number): Promise<void> {
    const [client, server] = KINDS[kind] as readonly [Behaviour, Behaviour];
    const socket = connect({ port, host: HERE, allowHalfOpen: true, noDelay: true });
    await once(socket, 'connect');
    while (this.#accepted.length === 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    const [up, down] = [2 * this.flows.length, 2 * this.flows.length + 1];
    const other = this.#accepted.shift() as Socket;
    const flow: Flow = { kind, server: new End(other, down, up, server), client: new End(socket, up, down, client) };
    this.flows.push(flow);
    if (client.sends === 'answers') flow.client.say(LITTLE);
  }

  /** Received at all ends. */
  get received(): number {
    return this.flows.reduce((sum, { client, server }) => sum + client.check.size + server.check.size, 0);
  }

  /** Lets all come to their end; says what is wrong with any of them. */
  async finish(): Promise<readonly string[]> {
    for (const { client, server } of this.flows) {
      client.finish();
      server.finish();
    }
    await Promise.all(this.flows.flatMap(({ client, server }) => [client.over, server.over]));
    return this.flows.flatMap(({ kind, client, server }, i) => [...faults(`${kind} ${i} up`, client, server), ...faults(`${kind} ${i} down`, server, client)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { client, server } of this.flows) {
      client.destroy();
      server.destroy();
    }
    await this.#application[Symbol.asyncDispose]();
  }
}

function faults(name: string, from: End, to: End): string[] {
  if (from.fault !== undefined) return [`${name}: ${from.fault.message}`];
  if (to.check.wrongAt !== undefined) return [`${name}: wrong from byte ${to.check.wrongAt} on`];
  return from.sent === to.check.size ? [] : [`${name}: ${to.check.size} of ${from.sent} bytes`];
}
