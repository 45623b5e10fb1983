/**
 * Scans a server's TLS with sslyze: versions, cipher suites, renegotiation, compression, resumption, known
 * vulnerabilities; and grades what it found.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testCertificate } from "../support/certificate.ts";
import { repository } from "../support/server.ts";
import { startTarget } from "../support/target.ts";
import type { TargetName } from "../support/target.ts";
import type { Finding } from "./results.ts";

export const sslyze: string = `${repository}/.cache/sslyze/bin/sslyze`;

const TIMEOUT_MS = 5 * 60_000;
const VERSIONS = {
  ssl_2_0: "SSL 2.0",
  ssl_3_0: "SSL 3.0",
  tls_1_0: "TLS 1.0",
  tls_1_1: "TLS 1.1",
  tls_1_2: "TLS 1.2",
  tls_1_3: "TLS 1.3",
};
const SCANS = [
  ...["--sslv2", "--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3", "--elliptic_curves"],
  ...["--compression", "--reneg", "--resum", "--early_data", "--fallback", "--ems"],
  ...["--robot", "--heartbleed", "--openssl_ccs", "--mozilla_config=disable"],
];
/** TLS 1.3 suites are all AEAD with forward secrecy; of TLS 1.2 these are. */
const MODERN_SUITE = /^TLS_(AES|CHACHA20)|^TLS_(EC)?DHE_.*_(GCM|CCM|CHACHA20_POLY1305)/;
const CURVES_SHOWN = 8;

interface Suites {
  is_tls_version_supported: boolean;
  accepted_cipher_suites: { cipher_suite: { name: string } }[];
}

export interface Scan {
  tls_compression: { supports_compression: boolean };
  session_renegotiation: {
    supports_secure_renegotiation: boolean;
    is_vulnerable_to_client_renegotiation_dos: boolean;
  };
  session_resumption: {
    session_id_resumption_result: string;
    tls_ticket_resumption_result: string;
  };
  tls_1_3_early_data: { supports_early_data: boolean };
  tls_extended_master_secret: { supports_ems_extension: boolean };
  elliptic_curves: { supported_curves: { name: string }[] };
  robot: { robot_result: string };
  heartbleed: { is_vulnerable_to_heartbleed: boolean };
  openssl_ccs_injection: { is_vulnerable_to_ccs_injection: boolean };
  suites: Record<string, Suites>;
}

/** sslyze had trouble with its connections. */
class Incomplete extends Error {}

/** What sslyze reports; it runs once more where it could not complete. */
export async function completeScan(runOnce: () => Promise<string>): Promise<Scan> {
  try {
    return scanOf(await runOnce());
  } catch (error) {
    if (!(error instanceof Incomplete)) throw error;
    return scanOf(await runOnce());
  }
}

/** sslyze's report of its only target. */
function scanOf(json: string): Scan {
  const report: {
    server_scan_results: {
      connectivity_error_trace: string | null;
      scan_result: Record<string, { status: string; error_trace: string | null; result: unknown }>;
    }[];
  } = JSON.parse(json);
  const [target] = report.server_scan_results;
  if (target === undefined) throw new Error("sslyze scanned nothing");
  const results: Record<string, unknown> = {};
  for (const [name, { status, error_trace, result }] of Object.entries(target.scan_result ?? {})) {
    if (status === "ERROR") throw new Incomplete(`sslyze: ${name} failed: ${error_trace}`);
    results[name] = result;
  }
  if (results.tls_1_2_cipher_suites === undefined) {
    throw new Incomplete(`sslyze could not connect: ${target.connectivity_error_trace}`);
  }
  const suites = Object.keys(VERSIONS).map((key) => [key, results[`${key}_cipher_suites`]]);
  return { ...results, suites: Object.fromEntries(suites) } as Scan;
}

function vulnerabilitiesOf(scan: Scan): string[] {
  const found: string[] = [];
  if (scan.heartbleed.is_vulnerable_to_heartbleed) found.push("Heartbleed");
  if (scan.openssl_ccs_injection.is_vulnerable_to_ccs_injection) found.push("CCS injection");
  if (!scan.robot.robot_result.startsWith("NOT_VULNERABLE")) found.push("ROBOT");
  return found;
}

function summarise(scan: Scan): Finding {
  const versions = Object.entries(VERSIONS).filter(
    ([key]) => scan.suites[key]?.is_tls_version_supported === true,
  );
  const accepted = Object.values(scan.suites).flatMap((one) => one.accepted_cipher_suites);
  const names = accepted.map((one) => one.cipher_suite.name);
  const weak = names.filter((name) => !MODERN_SUITE.test(name));
  const old = versions.filter(([key]) => key !== "tls_1_2" && key !== "tls_1_3");
  const compression = scan.tls_compression.supports_compression;
  const renegotiation = scan.session_renegotiation.is_vulnerable_to_client_renegotiation_dos;
  const vulnerabilities = vulnerabilitiesOf(scan);
  const remarks = [
    ...old.map(([, version]) => `speaks ${version}`),
    ...weak.map((name) => `accepts ${name}`),
    ...vulnerabilities.map((name) => `vulnerable to ${name}`),
  ];
  let grade = "A";
  if (weak.length > 0 || renegotiation) grade = "B";
  if (old.length > 0 || compression || vulnerabilities.length > 0) grade = "F";
  const curves = scan.elliptic_curves.supported_curves.map((curve) => curve.name);
  const { session_id_resumption_result: ids, tls_ticket_resumption_result: tickets } =
    scan.session_resumption;
  const yes = (value: boolean): string => (value ? "yes" : "no");
  return {
    figures: {
      grade,
      versions: versions.map(([, version]) => version).join(", "),
      "cipher suites": `${names.length}, ${weak.length} of them old`,
      curves: curves.slice(0, CURVES_SHOWN).join(", "),
      "renegotiation by the client": yes(renegotiation),
      compression: yes(compression),
      resumption: `tickets ${words(tickets)}, ids ${words(ids)}`,
      "early data": yes(scan.tls_1_3_early_data.supports_early_data),
      vulnerabilities: vulnerabilities.length === 0 ? "none" : vulnerabilities.join(", "),
    },
    remarks,
  };
}

function words(constant: string): string {
  return constant.toLowerCase().replaceAll("_", " ");
}

export async function scanTls(server: TargetName): Promise<Finding> {
  await using target = await startTarget(server, {
    app: "echo_websocket:app",
    certificate: testCertificate("rsa"),
  });
  return summarise(await completeScan(() => runSslyze(target.port)));
}

/** Its report, JSON. */
async function runSslyze(port: number): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "keelback-sslyze-"));
  try {
    const report = join(directory, "report.json");
    const command = [sslyze, "--quiet", ...SCANS, `--json_out=${report}`];
    const child = Bun.spawn([...command, `localhost:${port}`], {
      stdio: ["ignore", "pipe", "pipe"],
      timeout: TIMEOUT_MS,
      killSignal: "SIGKILL",
    });
    const output = await Promise.all([child.stdout.text(), child.stderr.text()]);
    const code = await child.exited;
    if (code !== 0) throw new Error(`sslyze failed: ${output.join("").slice(-2000)}`);
    return readFileSync(report, "utf8");
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
