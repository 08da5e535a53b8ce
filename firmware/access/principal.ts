/**
 * Who asks, and what that allows: a role, and the cameras it holds for. Pure.
 *
 * Roles include each other: an operator may do what a viewer may, an admin everything.
 */

/** From least to most. */
export const roles = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof roles)[number];

/** `all`, or ids of cameras. */
export type CameraList = 'all' | readonly string[];

/** Somebody who has shown who they are. */
export interface Principal {
  /** a user's name, `token:ID`, or `server:ID` for a server's own business */
  readonly name: string;
  readonly role: Role;
  readonly cameras: CameraList;
  /** how it was shown; `open`: this server asks nobody */
  readonly via: 'session' | 'token' | 'link' | 'peer' | 'open';
}

/** Whether a role includes another. */
export function includesRole(role: Role, needed: Role): boolean {
  return roles.indexOf(role) >= roles.indexOf(needed);
}

/** Whether a camera is among those a principal's rights hold for. */
export function seesCamera({ cameras }: Pick<Principal, 'cameras'>, camera: string): boolean {
  return cameras === 'all' || cameras.includes(camera);
}
