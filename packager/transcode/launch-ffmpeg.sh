#!/bin/sh
# Starts FFmpeg with nothing of the server's environment but where programs and libraries are. Encoders of pictures get a lower
# priority: media that passes through, and viewers, come first. Those of sound do not: they take next to nothing, and a picture
# over WebRTC waits for sound that is late. Each step replaces the one before it (exec), so that the process id, signals and
# the exit code are FFmpeg's own.
case " $* " in
*' -c:v '*) niceness=10 ;;
*) niceness=0 ;;
esac
exec env -i \
	"PATH=$PATH" \
	LC_ALL=C \
	${LD_LIBRARY_PATH:+"LD_LIBRARY_PATH=$LD_LIBRARY_PATH"} \
	nice -n "$niceness" "${FFMPEG_PATH:-ffmpeg}" "$@"
