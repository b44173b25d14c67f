/**
 * istio.v1.auth.IstioCertificateService for proxies that take certificates from nowhere else. A caller says by its token
 * which end it is, and gets that end's certificate for the key of its request. Trusts everybody: for namespaces of the
 * benchmark alone.
 */
import path from 'node:path';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { parseRequest } from '@landbridge/federation/ca/x509.ts';
import { startGrpcServer } from '@landbridge/federation/grpc-server.ts';
import { IstioCertificateRequestSchema, IstioCertificateResponseSchema } from '@landbridge/wire/gen/ca_pb.js';
import { certify } from '../certificates.ts';
import { ENDS } from '../path.ts';

const { values } = parseArgs({ options: { certs: { type: 'string', default: '.' }, port: { type: 'string', default: '0' } } });
const read = (file: string): string => readFileSync(path.join(values.certs, file), 'utf8');
const root = read('ca.crt');

function issue(token: unknown, request: Buffer): Buffer {
  const end = ENDS.find((name) => token === `Bearer ${name}`);
  if (end === undefined) throw new LandbridgeError('unauthenticated', `a token is one of ${ENDS.join(', ')}`);
  const key = parseRequest(fromBinary(IstioCertificateRequestSchema, request).csr);
  if (!key.ok) throw new LandbridgeError('bad-request', key.error);
  const certChain = [certify(values.certs, end, key.value), root];
  return Buffer.from(toBinary(IstioCertificateResponseSchema, create(IstioCertificateResponseSchema, { certChain })));
}

const server = await startGrpcServer({
  port: Number(values.port),
  certificate: { chainPem: read('server.crt'), keyPem: read('server.key') },
  createCertificate: (call, callback) => {
    try {
      callback(null, issue(call.metadata.get('authorization')[0], call.request));
    } catch (thrown) {
      callback({ details: LandbridgeError.from(thrown).message });
    }
  },
  deltaAggregatedResources: (call) => call.end(),
});
process.once('SIGTERM', () => void server[Symbol.asyncDispose]().then(() => process.exit(0)));
process.stdout.write('ready\n');
