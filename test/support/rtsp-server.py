"""A real RTSP server, GStreamer's own, that stands for an IP camera in tests. Prints `port N` when it listens.

Arguments: PORT (0 takes any free one), FILE (an MP4 of H.264 that /file plays once), USER, PASSWORD ('' for none),
PEM (certificate and key, '' for no TLS).
Paths: /live pictures and G.711 sound, /quiet pictures alone, /jpeg pictures that are not H.264, /file the file.
"""
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtspServer  # noqa: E402

PORT, FILE, USER, PASSWORD, PEM = sys.argv[1:6]
PICTURES = "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=20/1"
ENCODER = "x264enc tune=zerolatency speed-preset=ultrafast threads=1 key-int-max=20 bitrate=300"
H264 = f"{PICTURES} ! {ENCODER} ! rtph264pay name=pay0 pt=96 config-interval=1"
SOUND = "audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay name=pay1 pt=8"
PATHS = {
    "/live": f"( {H264} {SOUND} )",
    "/quiet": f"( {H264} )",
    "/jpeg": f"( {PICTURES} ! jpegenc ! rtpjpegpay name=pay0 pt=26 )",
    "/file": f'( filesrc location="{FILE}" ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1 )',
}

Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(PORT)
if PASSWORD:
    auth = GstRtspServer.RTSPAuth()
    if PEM:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(PEM))
    auth.set_supported_methods(0x2)  # digest, RFC 2617, as IP cameras do
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.add_digest(USER, PASSWORD, token)
    server.set_auth(auth)
for path, launch in PATHS.items():
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(launch)
    factory.set_shared(path != "/file")
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("viewer", "media.factory.access", True)
    permissions.add_permission_for_role("viewer", "media.factory.construct", True)
    factory.set_permissions(permissions)
    server.get_mount_points().add_factory(path, factory)
if server.attach(None) == 0:
    sys.exit(f"port {PORT} is taken")
print("port", server.get_bound_port(), flush=True)
# Whoever started it is gone: so is this.
GLib.io_add_watch(sys.stdin.fileno(), GLib.PRIORITY_DEFAULT, GLib.IOCondition.HUP, lambda *_: sys.exit(0))
GLib.MainLoop().run()
