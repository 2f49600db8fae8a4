#!/bin/sh
# Starts FFmpeg with nothing of the server's environment but where programs and libraries are. Encoders of pictures get a lower
# priority: media that passes through, and viewers, come first. Those of sound do not: they take next to nothing, and a picture
# over WebRTC waits for sound that is late. A trial of an encoder is short and has a deadline. Still pictures come last of all, and
# within bounds: they are made of whatever a publisher sent. Each step replaces the one before it (exec), so that the process id, signals and
# the exit code are FFmpeg's own.
case " $* " in
*' -f lavfi '*) niceness=0 ;;
*' -c:v mjpeg '* | *' -c:v rawvideo '*)
	niceness=19
	# Seconds of CPU and KiB of addresses, where the shell can set them.
	ulimit -t 120 2>/dev/null || :
	ulimit -v 2097152 2>/dev/null || :
	;;
*' -c:v '*) niceness=10 ;;
*) niceness=0 ;;
esac
exec env -i \
	"PATH=$PATH" \
	LC_ALL=C \
	${LD_LIBRARY_PATH:+"LD_LIBRARY_PATH=$LD_LIBRARY_PATH"} \
	nice -n "$niceness" "${FFMPEG_PATH:-ffmpeg}" "$@"
