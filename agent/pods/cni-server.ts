import { chmodSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { Logger } from 'pino';
import { CNI_ERRORS, type CniError, MAX_REQUEST_BYTES, parseCniRequest } from './cni-request.ts';
import type { PodGate } from './sandbox.ts';

/** A node has at most some hundred pods, and the runtime asks once for each. */
const MAX_CONNECTIONS = 512;
/** The plugin sends everything at once. */
const REQUEST_MS = 5000;

export interface CniServerOptions {
  /** Path of the unix socket. Its folder is made nobody else's. */
  readonly socket: string;
  readonly gate: PodGate;
  /** When a pod that could not be decided on is refused; before the plugin gives up by itself. */
  readonly admissionMs: number;
  readonly log: Logger;
}

/** What the plugin prints, and how it ends. */
interface Answer {
  readonly status: 0 | 1;
  readonly text: string;
}

const DONE: Answer = { status: 0, text: '' };

/**
 * Answers the CNI plugin of this node. A socket of an earlier agent is replaced at once and never missing; one that
 * nobody serves any more is left, so that plugins find out that they have to try again.
 */
export class CniServer implements AsyncDisposable {
  readonly #options: CniServerOptions;
  readonly #server: Server;
  readonly #stop = new AbortController();
  readonly #sockets = new Set<Socket>();
  #inode = 0;

  private constructor(options: CniServerOptions) {
    this.#options = options;
    // The plugin ends its half when it has said everything.
    this.#server = createServer({ allowHalfOpen: true }, (socket) => void this.#serve(socket));
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** @throws LandbridgeError where the socket can not be made */
  static async open(options: CniServerOptions): Promise<CniServer> {
    const server = new CniServer(options);
    const directory = path.dirname(options.socket);
    // Node.js removes the path that it has bound when it closes: by then that is not the one that plugins know.
    const fresh = `${options.socket}.${process.pid}`;
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      chmodSync(directory, 0o700);
      rmSync(fresh, { force: true });
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      server.#server.once('error', reject);
      server.#server.listen(fresh, resolve);
      await promise;
      chmodSync(fresh, 0o600);
      server.#inode = statSync(fresh).ino;
      renameSync(fresh, options.socket);
      return server;
    } catch (thrown) {
      server.#server.close();
      throw new LandbridgeError('cni', `the socket ${options.socket} can not be made: ${LandbridgeError.from(thrown).message}`, { cause: thrown, hint: 'The chart mounts a folder of the node for it.' });
    }
  }

  /** Whether plugins come here, and not to a newer agent. */
  get isCurrent(): boolean {
    return statSync(this.#options.socket, { throwIfNoEntry: false })?.ino === this.#inode;
  }

  async #serve(socket: Socket): Promise<void> {
    const gone = new AbortController();
    this.#sockets.add(socket);
    // Whoever goes away hears no answer; there is nothing else to do about it.
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#sockets.delete(socket);
      gone.abort();
    });
    const signal = AbortSignal.any([gone.signal, this.#stop.signal]);
    const bytes = await read(socket);
    const answer = bytes === undefined ? undefined : await this.#answer(bytes, signal);
    // What is not answered is asked again, of the next agent.
    if (answer === undefined || this.#stop.signal.aborted) return void socket.destroy();
    socket.end(`${answer.status} ${Buffer.byteLength(answer.text)}\n${answer.text}`);
  }

  async #answer(bytes: Buffer, outer: AbortSignal): Promise<Answer> {
    const { gate, admissionMs, log } = this.#options;
    const parsed = parseCniRequest(bytes);
    if (!parsed.ok) {
      log.warn({ error: parsed.error.message }, 'a request of the CNI plugin can not be used');
      return failure(parsed.error);
    }
    const request = parsed.value;
    switch (request.kind) {
      case 'add':
      case 'check': {
        const { sandbox, version } = request;
        const admission = await gate.admit(sandbox, AbortSignal.any([outer, AbortSignal.timeout(admissionMs)]));
        if (admission.kind !== 'refused') return request.kind === 'add' ? { status: 0, text: request.result } : DONE;
        log.warn({ pod: sandbox.name, namespace: sandbox.namespace, reason: admission.reason }, 'a pod may not start');
        return failure({ version, code: CNI_ERRORS.tryAgain, message: admission.reason });
      }
      case 'del':
        await gate.end(request);
        return DONE;
      case 'status':
        return DONE;
      case 'gc':
        // What is captured is compared with the pods that the API server knows, all the time.
        return DONE;
      default:
        return request satisfies never;
    }
  }

  /** Requests that are not answered yet are left to the next agent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

const failure = ({ version, code, message }: CniError): Answer => ({ status: 1, text: `${JSON.stringify({ cniVersion: version, code, msg: `landbridge: ${message}` })}\n` });

/** All that a plugin sends; undefined where it is too much, too slow or broken off. */
async function read(socket: Socket): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
  const timer = setTimeout(() => resolve(undefined), REQUEST_MS);
  socket.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > MAX_REQUEST_BYTES) resolve(undefined);
    else chunks.push(chunk);
  });
  socket.once('end', () => resolve(Buffer.concat(chunks)));
  socket.once('close', () => resolve(undefined));
  const bytes = await promise;
  clearTimeout(timer);
  return bytes;
}
