/** ZDS, package istio.workload.zds: by which istio-cni tells the agent of its node which pods to capture. One packet is one message. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { POD_UID } from '@landbridge/core/names.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { Version, WorkloadRequestSchema, WorkloadResponseSchema, ZdsHelloSchema } from './gen/zds_pb.js';

export type ZdsRequest =
  /** With a descriptor of the pod's network namespace. */
  | { readonly kind: 'add'; readonly uid: string; readonly namespace: string; readonly name: string; readonly serviceAccount: string }
  /** The pod belongs to the snapshot, and whoever sends it has no descriptor. */
  | { readonly kind: 'keep'; readonly uid: string }
  | { readonly kind: 'delete'; readonly uid: string }
  /** All pods of the node have been named: those that were not are gone. */
  | { readonly kind: 'snapshot-sent' };

/** istio's own agent reads into a buffer of this size. */
export const MAX_ZDS_PACKET_BYTES = 1024;
/** So that an answer is no longer than a packet, whatever the characters are. */
const MAX_ERROR_CHARACTERS = 250;
const MAX_NAME_CHARACTERS = 253;

/** The agent's first packet. */
export function encodeZdsHello(): Uint8Array {
  return toBinary(ZdsHelloSchema, create(ZdsHelloSchema, { version: Version.V1 }));
}

/** Answers one packet; with an error, the pod could not be captured. */
export function encodeZdsAck(error = ''): Uint8Array {
  return toBinary(WorkloadResponseSchema, create(WorkloadResponseSchema, { payload: { case: 'ack', value: { error: error.slice(0, MAX_ERROR_CHARACTERS) } } }));
}

export function parseZdsRequest(packet: Uint8Array): Result<ZdsRequest> {
  if (packet.length > MAX_ZDS_PACKET_BYTES) return err(`a packet of more than ${MAX_ZDS_PACKET_BYTES} bytes`);
  try {
    const { payload } = fromBinary(WorkloadRequestSchema, packet, { readUnknownFields: false });
    switch (payload.case) {
      case 'add': {
        const { uid, workloadInfo } = payload.value;
        if (!POD_UID.test(uid)) return err('a workload without a uid');
        if (workloadInfo === undefined) return err(`workload ${uid} is not described`);
        const { namespace, name, serviceAccount } = workloadInfo;
        for (const text of [namespace, name, serviceAccount]) if (text === '' || text.length > MAX_NAME_CHARACTERS) return err(`workload ${uid} has no name, namespace or service account`);
        return ok({ kind: 'add', uid, namespace, name, serviceAccount });
      }
      case 'keep':
        return POD_UID.test(payload.value.uid) ? ok({ kind: 'keep', uid: payload.value.uid }) : err('a workload without a uid');
      case 'del':
        return POD_UID.test(payload.value.uid) ? ok({ kind: 'delete', uid: payload.value.uid }) : err('a workload without a uid');
      case 'snapshotSent':
        return ok({ kind: 'snapshot-sent' });
      case undefined:
        return err('a packet without a request');
      default:
        return payload satisfies never;
    }
  } catch {
    // What the library says of it quotes nothing that helps.
    return err('a packet that is no protobuf');
  }
}
