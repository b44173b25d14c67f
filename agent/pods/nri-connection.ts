import { connect } from 'node:net';
import type { Result } from '@landbridge/core/result.ts';
import { encodeRegisterPlugin, NRI_PLUGIN_SERVICE, NRI_RUNTIME_SERVICE, REGISTER_PLUGIN_METHOD } from '@landbridge/wire/nri.ts';
import { encodeMuxFrames, MuxReader, PLUGIN_CHANNEL, RUNTIME_CHANNEL } from '@landbridge/wire/nri-mux.ts';
import { TtrpcClient } from './ttrpc-client.ts';
import { type TtrpcHandler, TtrpcServer } from './ttrpc-server.ts';

/** The runtime knows the plugin by it: containerd's `required_plugins` names it. */
export const PLUGIN_NAME = 'landbridge';
/** Late: what is captured is the pod as all other plugins have made it. */
const PLUGIN_INDEX = '90';
/** The version of NRI whose messages are spoken; runtimes write it to their log. */
const NRI_VERSION = 'v0.12.5';
/** A runtime waits no longer than that by default. */
const REGISTRATION_MS = 5000;
/** Answers that the runtime does not read; each is some bytes. */
const MAX_UNSENT_BYTES = 1 << 20;

/**
 * One life of a connection to the runtime, as a plugin of it. Resolves when it has ended with the reason, also where
 * it could not begin.
 */
export function servePlugin(path: string, handler: TtrpcHandler, signal: AbortSignal): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect({ path });
  let reason: string | undefined;
  const end = (why: string): void => {
    reason ??= why;
    socket.destroy();
  };
  const sendOn = (channel: number) => (bytes: Uint8Array): void => {
    if (socket.destroyed) return;
    socket.write(encodeMuxFrames(channel, bytes));
    if (socket.writableLength > MAX_UNSENT_BYTES) end('the runtime does not read');
  };
  const runtime = new TtrpcClient(sendOn(RUNTIME_CHANNEL));
  const plugin = new TtrpcServer(NRI_PLUGIN_SERVICE, handler, sendOn(PLUGIN_CHANNEL));
  const mux = new MuxReader();
  const push = (chunk: Uint8Array): Result<unknown> => {
    const read = mux.push(chunk);
    if (!read.ok) return read;
    for (const { channel, bytes } of read.value) {
      // Other channels are those of later versions.
      const pushed = channel === PLUGIN_CHANNEL ? plugin.push(bytes) : channel === RUNTIME_CHANNEL ? runtime.push(bytes) : read;
      if (!pushed.ok) return pushed;
    }
    return read;
  };
  const stop = (): void => end('stopped');
  signal.addEventListener('abort', stop, { once: true });
  socket.on('data', (chunk) => {
    const pushed = push(chunk);
    if (!pushed.ok) end(`the runtime sent ${pushed.error}`);
  });
  socket.on('error', ({ message }) => end(message));
  socket.once('close', () => {
    signal.removeEventListener('abort', stop);
    runtime[Symbol.dispose]();
    plugin[Symbol.dispose]();
    resolve(reason ?? 'the runtime closed the connection');
  });
  socket.once('connect', async () => {
    const answer = await runtime.call(NRI_RUNTIME_SERVICE, REGISTER_PLUGIN_METHOD, encodeRegisterPlugin({ name: PLUGIN_NAME, index: PLUGIN_INDEX, nriVersion: NRI_VERSION }), REGISTRATION_MS);
    if (!answer.ok) end(`not registered: ${answer.error.message}`);
  });
  if (signal.aborted) stop();
  return promise;
}
