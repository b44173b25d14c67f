/** The file `operator.json` beside a hub's configuration: with it further federations are made at the same hub. */
import type { Result } from '@landbridge/core/result.ts';
import Type, { type Static } from 'typebox';
import { parseText } from './checked-json.ts';
import { HubUrlsSchema, MAX_CREDENTIALS_BYTES, PemCertificateSchema } from './credentials.ts';

export const HubOperatorFileSchema = Type.Object({
  v: Type.Literal(1),
  urls: HubUrlsSchema,
  caPem: PemCertificateSchema,
  replicas: Type.Optional(Type.Union([Type.Literal(1), Type.Literal(3), Type.Literal(5)])),
  operatorSigningSeed: Type.String({ pattern: '^SO[A-Z2-7]{56}$' }),
  systemAccountSeed: Type.String({ pattern: '^SA[A-Z2-7]{56}$' }),
});

export type HubOperatorFile = Static<typeof HubOperatorFileSchema>;

export function parseHubOperatorFile(text: string): Result<HubOperatorFile> {
  return parseText(HubOperatorFileSchema, text, MAX_CREDENTIALS_BYTES);
}
