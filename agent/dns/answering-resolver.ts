import { DNS_OPCODE_QUERY, parseDnsQuery } from '@landbridge/wire/dns-message.ts';
import { bareAnswer, encodeDnsAnswer, encodeDnsRefusal, maxAnswerBytes } from '@landbridge/wire/dns-response.ts';
import type { DnsOutcome, DnsResolver } from './dns-resolver.ts';
import { answerName } from './name-answers.ts';
import type { NameOptions, NameView } from './name-view.ts';

const DROP: DnsOutcome = { kind: 'drop' };
const FORWARD: DnsOutcome = { kind: 'forward' };

/** Answers what the mesh knows. `view` is read for each query. */
export function answeringResolver(view: NameView, options: NameOptions): DnsResolver {
  return (bytes, client, transport) => {
    const parsed = parseDnsQuery(bytes);
    if (parsed.kind === 'no-query') return DROP;
    if (parsed.kind === 'malformed') return { kind: 'answer', message: encodeDnsRefusal(bytes, 'FORMERR') };
    const { query } = parsed;
    const answer = answerName(query, client, view, options);
    if (answer === undefined) return FORWARD;
    // RFC 6891, section 6.1.3. Whoever is asked instead says by itself what it knows.
    const isUnknownVersion = query.opcode === DNS_OPCODE_QUERY && query.edns !== undefined && query.edns.version !== 0;
    return { kind: 'answer', message: encodeDnsAnswer(query, isUnknownVersion ? bareAnswer('BADVERS') : answer, maxAnswerBytes(query, transport)) };
  };
}
