import { fromBinary } from '@bufbuild/protobuf';
import { DeltaDiscoveryResponseSchema } from '@landbridge/wire/gen/discovery_pb.js';
import test from 'ava';
import fc from 'fast-check';
import { encodeAnswer } from './answer.ts';
import { inSlices } from '../in-slices.ts';

test('an answer written by hand is what a protobuf library reads', async (t) => {
  const bytes = fc.uint8Array({ maxLength: 300 });
  const text = fc.string({ unit: 'grapheme', maxLength: 40 });
  await fc.assert(fc.asyncProperty(text, text, fc.array(fc.tuple(text, fc.record({ version: text, bytes })), { maxLength: 5 }), fc.array(text, { maxLength: 5 }), async (typeUrl, nonce, updated, removed) => {
    const response = fromBinary(DeltaDiscoveryResponseSchema, await inSlices(encodeAnswer(typeUrl, nonce, { updated, removed, aliases: (name) => [name, `${name}!`] })));
    t.deepEqual([response.typeUrl, response.nonce, response.removedResources], [typeUrl, nonce, removed]);
    t.deepEqual(response.resources.map(({ name, version, resource, aliases }) => [name, aliases.join(' '), version, resource?.typeUrl, Buffer.from(resource?.value ?? []).toString('hex')]), updated.map(([name, each]) => [name, `${name} ${name}!`, each.version, typeUrl, Buffer.from(each.bytes).toString('hex')]));
  }));
});
