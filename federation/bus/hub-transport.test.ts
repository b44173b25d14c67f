import { once } from 'node:events';
import { createServer } from 'node:net';
import test from 'ava';
import { HubTransport } from './hub-transport.ts';

const INFO = `INFO ${JSON.stringify({ server_id: 'A', version: '2.14.3', proto: 1, max_payload: 1024, headers: true })}\r\n`;

/** A transport that has been greeted by a server, which then says nothing. */
async function greeted(): Promise<{ readonly transport: HubTransport; readonly end: () => void }> {
  const server = createServer((socket) => void socket.on('error', () => {}).write(INFO)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const transport = new HubTransport();
  await transport.connect({ hostname: '127.0.0.1', port: address.port, tlsName: '' }, {});
  return { transport, end: () => void server.close() };
}

const ways: Readonly<Record<string, (transport: HubTransport) => unknown>> = {
  close: (transport) => [transport.send(new Uint8Array(1)), transport.close()],
  discard: (transport) => [transport.send(new Uint8Array(1)), transport.discard()],
};

for (const [name, close] of Object.entries(ways)) {
  test(`a write after the end of the connection that fails while it is closed by ${name} ends no process`, async (t) => {
    const { transport, end } = await greeted();
    const { socket } = transport;
    socket.end();
    close(transport);
    const isOver = new Promise<void>((resolve) => {
      const look = (): void => void (socket.closed ? resolve() : setImmediate(look));
      look();
    });
    await isOver;
    // An error without a listener is thrown, and fails this file.
    t.true(socket.errored instanceof Error);
    end();
  });
}

for (const name of ['close', 'discard'] as const) {
  test(`a dial that is given up by ${name} is not left to the kernel`, async (t) => {
    const server = createServer((socket) => void socket.on('error', () => {}).write(INFO)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { readonly port: number };
    const transport = new HubTransport();
    const dialling = transport.connect({ hostname: '127.0.0.1', port, tlsName: '' }, {});
    void transport[name]();
    await t.throwsAsync(dialling, { message: 'not connected in time' });
    server.close();
  });
}
