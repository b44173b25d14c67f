/** What the admin server and the command line say to each other: JSON over HTTP on the pod's own loopback address. */
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import Type, { type Static, type TSchema } from 'typebox';
import { Value } from 'typebox/value';

export const ADMIN_PORT = 15000;
/** A join token is the largest thing that is sent. */
export const MAX_BODY_BYTES = 64 * 1024;
/** Status of a federation with hundreds of clusters and thousands of services. */
export const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

export const HubStatusSchema = Type.Object({
  /** `none` until the cluster has joined. */
  state: Type.Union([Type.Literal('none'), Type.Literal('connecting'), Type.Literal('connected'), Type.Literal('closed')]),
  url: Type.Optional(Type.String()),
  /** Milliseconds since 1970. */
  since: Type.Optional(Type.Number()),
  lastError: Type.Optional(Type.String()),
  /** Of the server that is connected. */
  version: Type.Optional(Type.String()),
  /** The hub is there, and does not let this cluster in. */
  isRefused: Type.Optional(Type.Boolean()),
  /** The cluster's leaf node; not there where it has none. */
  leaf: Type.Optional(Type.Object({
    connected: Type.Boolean(),
    /** Messages that its mirror lacked when the leader looked last. */
    lag: Type.Optional(Type.Integer()),
    /** Since when the mirror is read in the hub's place; milliseconds since 1970. */
    readingSince: Type.Optional(Type.Number()),
  })),
});

/** How a member is, as its object Member has it. Times in milliseconds since 1970. */
export const MemberHealthSchema = Type.Object({
  state: Type.String(),
  since: Type.Number(),
  /** Its newest heartbeat; not there before the first one, and for the cluster itself. */
  heard: Type.Optional(Type.Number()),
  records: Type.Integer(),
  exports: Type.Integer(),
  version: Type.String(),
  /** What is not as it should be, each a sentence or two. */
  faults: Type.Array(Type.String()),
});

export const MemberStatusSchema = Type.Object({
  cluster: Type.String(),
  trustDomain: Type.String(),
  network: Type.String(),
  /** Milliseconds since 1970. */
  joinedAt: Type.Number(),
  /** Whether all of its records have been read and verified since the federation service started. */
  complete: Type.Boolean(),
  revoked: Type.Boolean(),
  /** Not told by versions before 0.2. */
  health: Type.Optional(MemberHealthSchema),
});

/** The certificate authority of the cluster. Times in milliseconds since 1970. */
export const CaStatusSchema = Type.Object({
  /** Where it comes from. */
  place: Type.String(),
  /** Who signs. */
  subject: Type.String(),
  /** When it can not sign any more. */
  notAfter: Type.Number(),
  /** Told to agents and members; the one that counts first. */
  roots: Type.Array(Type.Object({ subject: Type.String(), fingerprint: Type.String(), notAfter: Type.Number() })),
  /** Why what is in its place now is not in use. */
  fault: Type.Optional(Type.String()),
});

/** Where a change of the root stands, and what the next step does. */
export const RotationStatusSchema = Type.Object({
  phase: Type.Union([Type.Literal('none'), Type.Literal('distributing'), Type.Literal('retiring')]),
  /** Milliseconds since 1970. */
  since: Type.Optional(Type.Number()),
  next: Type.Union([Type.Literal('add'), Type.Literal('sign'), Type.Literal('remove')]),
  /** Why the next step may not be made yet, each a sentence. */
  obstacles: Type.Array(Type.String()),
});
export const RotationRequestSchema = Type.Object({ force: Type.Boolean() });

export const PolicyReportSchema = Type.Object({
  accepted: Type.Integer(),
  /** In force, but stricter than they say. */
  partial: Type.Integer(),
  refused: Type.Integer(),
  /** The first of those that are not in force as they are written. */
  faults: Type.Array(Type.Object({ kind: Type.String(), namespace: Type.String(), name: Type.String(), reason: Type.String(), message: Type.String() })),
});

const CountsSchema = Type.Array(Type.Object({ reason: Type.String(), count: Type.Integer() }));

/** What this cluster does not take of what the others say. */
export const ConsentStatusSchema = Type.Object({
  /** ImportPolicies: in force, and those that can not be read and deny what they govern. */
  policies: Type.Object({ accepted: Type.Integer(), refused: Type.Integer(), faults: Type.Array(Type.Object({ name: Type.String(), message: Type.String() })) }),
  /** Of those members of which something is left out, or to be told. */
  members: Type.Array(Type.Object({
    cluster: Type.String(),
    /** Exports that are not imported, endpoints that are left out: by reason. */
    refused: CountsSchema,
    dropped: CountsSchema,
    /** Gateways that are not dialled. Not told by versions before 0.2. */
    gateways: Type.Optional(CountsSchema),
    /** Exports that change too often, of which something older counts. */
    held: Type.Integer(),
    /** Records that wait because it writes too fast; that found no room. */
    waiting: Type.Integer(),
    overflow: Type.Integer(),
    /** Sentences about the ranges of addresses that it has declared. */
    faults: Type.Array(Type.String()),
  })),
});

/** Which of several replicas answers, and which leads: names of pods, the leader's empty where it is nobody. */
export const ReplicaStatusSchema = Type.Object({ pod: Type.String(), leader: Type.String() });

export const StatusSchema = Type.Object({
  cluster: Type.String(),
  trustDomain: Type.String(),
  network: Type.String(),
  hub: HubStatusSchema,
  /** Whether this cluster holds the hub's authority and can make join tokens. */
  authority: Type.Boolean(),
  members: Type.Array(MemberStatusSchema),
  /** Not told by versions before 0.2. */
  ca: Type.Optional(CaStatusSchema),
  /** Not told by versions before 0.2. */
  replica: Type.Optional(ReplicaStatusSchema),
  /** Not told by versions before 0.2. */
  consent: Type.Optional(ConsentStatusSchema),
  exports: Type.Integer(),
  imports: Type.Integer(),
  policies: PolicyReportSchema,
});

export const ServiceStatusSchema = Type.Object({
  namespace: Type.String(),
  name: Type.String(),
  /** The clusterset address; empty for a headless service and until there is one. */
  address: Type.String(),
  clusters: Type.Array(Type.Object({ cluster: Type.String(), endpoints: Type.Integer(), ready: Type.Integer() })),
  conflicts: Type.Array(Type.String()),
  /** Clusters whose export is not taken, with the reason. A service that nobody else exports has no cluster. Not told by versions before 0.2. */
  refused: Type.Optional(Type.Array(Type.Object({ cluster: Type.String(), reason: Type.String(), message: Type.String() }))),
});

export const ServicesSchema = Type.Object({ services: Type.Array(ServiceStatusSchema) });
export const TokenRequestSchema = Type.Object({ cluster: Type.String(), ttlSeconds: Type.Optional(Type.Number()), uses: Type.Optional(Type.Number()) });
/** `expiresAt` in milliseconds since 1970. */
export const TokenAnswerSchema = Type.Object({ token: Type.String(), expiresAt: Type.Number() });
export const JoinRequestSchema = Type.Object({ token: Type.String() });
export const JoinAnswerSchema = Type.Object({ cluster: Type.String(), members: Type.Array(Type.String()) });
export const RevokeRequestSchema = Type.Object({ cluster: Type.String({ maxLength: 63 }) });
/** `removedAt` in milliseconds since 1970; `hub`: whether the hub lets it in no more, hears of it later, or can not be told. */
export const RevokeAnswerSchema = Type.Object({ cluster: Type.String(), removedAt: Type.Number(), hub: Type.Union([Type.Literal('told'), Type.Literal('later'), Type.Literal('unable')]) });
export const LeaveRequestSchema = Type.Object({ force: Type.Boolean() });
/** What a member asked of the founder: done, or kept and going on by itself, with the reason why it is not done yet. */
export const ChangeAnswerSchema = Type.Object({ cluster: Type.String(), state: Type.Union([Type.Literal('done'), Type.Literal('waits')]), reason: Type.Optional(Type.String()) });
/** Objects of the API server, sorted. */
export const PlanSchema = Type.Object({
  cluster: Type.String(),
  changes: Type.Array(Type.Object({
    verb: Type.Union([Type.Literal('create'), Type.Literal('change'), Type.Literal('delete')]),
    apiVersion: Type.String(),
    kind: Type.String(),
    namespace: Type.String(),
    name: Type.String(),
  })),
  /** What can not be said object by object, each a sentence. */
  notes: Type.Array(Type.String()),
});
const ErrorSchema = Type.Object({ error: Type.Object({ code: Type.String(), message: Type.String(), hint: Type.Optional(Type.String()) }) });

export type HubStatus = Static<typeof HubStatusSchema>;
export type MemberHealth = Static<typeof MemberHealthSchema>;
export type MemberStatus = Static<typeof MemberStatusSchema>;
export type ReplicaStatus = Static<typeof ReplicaStatusSchema>;
export type RotationStatus = Static<typeof RotationStatusSchema>;
export type CaStatus = Static<typeof CaStatusSchema>;
export type ConsentStatus = Static<typeof ConsentStatusSchema>;
export type PolicyReport = Static<typeof PolicyReportSchema>;
export type Status = Static<typeof StatusSchema>;
export type ServiceStatus = Static<typeof ServiceStatusSchema>;
export type AdminTokenRequest = Static<typeof TokenRequestSchema>;
export type AdminTokenAnswer = Static<typeof TokenAnswerSchema>;
export type AdminChangeAnswer = Static<typeof ChangeAnswerSchema>;
export type AdminPlan = Static<typeof PlanSchema>;
export type AdminRevokeAnswer = Static<typeof RevokeAnswerSchema>;
export type AdminJoinAnswer = Static<typeof JoinAnswerSchema>;

export function encodeError(error: LandbridgeError): string {
  const { code, message, hint } = error;
  return JSON.stringify({ error: { code, message, ...(hint === undefined ? {} : { hint }) } });
}

/** An answer of the schema, or the error that the server gave instead. */
export function parseAnswer<T extends TSchema>(schema: T, text: string): Result<Static<T>, LandbridgeError> {
  const value = parseJson(text);
  if (Value.Check(ErrorSchema, value)) {
    const { code, message, hint } = value.error;
    return err(new LandbridgeError(code, message, hint === undefined ? {} : { hint }));
  }
  if (Value.Check(schema, value)) return ok(value as Static<T>);
  return err(new LandbridgeError('answer-malformed', 'The federation service gave an answer that this program does not understand.', { hint: 'Use the landbridge program of the installed version.' }));
}

export function parseRequest<T extends TSchema>(schema: T, text: string): Result<Static<T>, LandbridgeError> {
  const value = parseJson(text);
  if (Value.Check(schema, value)) return ok(value as Static<T>);
  const [fault] = Value.Errors(schema, value);
  return err(new LandbridgeError('bad-request', `The request is not valid: ${fault === undefined ? 'not JSON' : `${fault.instancePath || 'the whole'} ${fault.message}`}.`));
}

/** Undefined is never valid against a schema of this file. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
