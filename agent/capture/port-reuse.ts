import { inNetworkNamespace } from '@landbridge/native/network-namespace.ts';
import { switchOn } from './pod-settings.ts';

/** Off, on, or for loopback addresses only, which is the kernel's default. Needs timestamps of TCP (ip-sysctl.rst). */
const REUSE = 'ipv4/tcp_tw_reuse';

/**
 * All connections that a captured pod begins lead to one port of its own address, and are told apart by their source
 * port alone. Without this each port of a connection that the pod has ended first is gone for the minute of TIME_WAIT,
 * for whatever destination: 28,232 connections in a minute by default, and connect() looks through all of them long
 * before. With it a port is free after a second. For both families; the setting stays after the capture.
 * `sysctls`: /proc/sys, or another mount of it.
 * @throws SystemCallError, Error of node:fs
 */
export function reuseEndedPorts(namespace: number, sysctls: string): void {
  inNetworkNamespace(namespace, () => switchOn(sysctls, REUSE));
}
