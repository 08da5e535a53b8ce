/** What this process has used so far, for status displays and benchmarks. */

/** CPU seconds (user and system) and resident bytes of this process. */
export function processUsage(): () => { cpuSeconds: number; residentBytes: number } {
  return () => {
    const { user, system } = process.cpuUsage();
    return { cpuSeconds: (user + system) / 1e6, residentBytes: process.memoryUsage.rss() };
  };
}
