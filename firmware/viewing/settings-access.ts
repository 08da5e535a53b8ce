/** What the viewing side asks of the site's settings. The server role implements it over the site document. */
import type { Result } from '../base/result.ts';
import type { CameraSettings, ServerSettings } from '../site/site-settings.ts';

/** What is to be different. */
export type CameraSettingsWish = { readonly [K in keyof CameraSettings]?: CameraSettings[K] };
export type ServerSettingsWish = { readonly [K in keyof ServerSettings]?: ServerSettings[K] };

export interface SettingsAccess {
  ofCamera(camera: string): CameraSettings;
  ofServer(server: string): ServerSettings;
  /** On every server from now on; refused with a reason. */
  changeCamera(camera: string, wish: CameraSettingsWish): Result<CameraSettings>;
  changeServer(server: string, wish: ServerSettingsWish): Result<ServerSettings>;
  /** Takes a camera off every server's lists, with all its history; it comes back when its unit does. */
  removeCamera(camera: string, epoch: number): Result<undefined>;
}
