import { once } from 'node:events';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { DeltaDiscoveryRequestSchema, DeltaDiscoveryResponseSchema } from '@landbridge/wire/gen/discovery_pb.js';
import { ADDRESS_TYPE, DELTA_ADS_METHOD } from '@landbridge/wire/protocol.ts';
import { now } from './clock.ts';

const NOTHING = new Uint8Array();

/** Follows addresses as an agent does; `onName` is called for each resource that is told, when it is, with its bytes. */
export async function follow(port: number, roots: string, onName: (name: string, atMs: number, bytes: Uint8Array) => void): Promise<Disposable> {
  const client = new Client(`localhost:${port}`, credentials.createSsl(Buffer.from(roots)), { 'grpc.max_receive_message_length': -1 });
  const metadata = new Metadata();
  metadata.set('authorization', 'Bearer bench');
  const same = (bytes: Buffer): Buffer => bytes;
  const call = client.makeBidiStreamRequest(DELTA_ADS_METHOD, same, same, metadata);
  const send = (request: object): void => void call.write(Buffer.from(toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, { typeUrl: ADDRESS_TYPE, ...request }))));
  call.on('error', () => {});
  call.on('data', (bytes: Buffer) => {
    const atMs = now();
    const { nonce, resources } = fromBinary(DeltaDiscoveryResponseSchema, bytes);
    for (const { name, resource } of resources) onName(name, atMs, resource?.value ?? NOTHING);
    send({ responseNonce: nonce });
  });
  send({ resourceNamesSubscribe: ['*'] });
  await once(call, 'data');
  return {
    [Symbol.dispose]: () => {
      call.cancel();
      client.close();
    },
  };
}
