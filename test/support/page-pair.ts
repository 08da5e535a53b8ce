/** A site's authority and a certificate of it for a page, in a folder of its own, that can be replaced. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writePageCertificate } from '../../firmware/io/page-issue.ts';
import { createSiteAuthority, type SiteAuthority } from '../../firmware/site/certificates.ts';

export class PagePair implements AsyncDisposable {
  readonly folder: string;
  readonly paths: { readonly certificate: string; readonly key: string };
  private readonly authority: SiteAuthority;

  private constructor(folder: string, authority: SiteAuthority) {
    this.folder = folder;
    this.authority = authority;
    this.paths = { certificate: join(folder, 'page.crt'), key: join(folder, 'page.key') };
  }

  static async create(names: readonly string[]): Promise<PagePair> {
    const folder = await mkdtemp(join(tmpdir(), 'starling-page-'));
    const pair = new PagePair(folder, await createSiteAuthority('demo'));
    await pair.replace(names);
    return pair;
  }

  /** PEM, for whoever connects */
  get ca(): string {
    return this.authority.certificate;
  }

  /** Makes a new pair over the old one. */
  async replace(names: readonly string[]): Promise<void> {
    await writePageCertificate(this.authority, { unit: 'ss-1', names, folder: this.folder });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
