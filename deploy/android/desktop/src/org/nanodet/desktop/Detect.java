package org.nanodet.desktop;

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.Locale;
import org.nanodet.Detection;
import org.nanodet.Detector;
import org.nanodet.NanodetException;
import org.nanodet.PixelFormat;
import org.nanodet.Result;
import org.nanodet.YuvFrame;

/**
 * Detects through the app's native layer: {@code Detect MODEL [THREADS [--uncertainty]]}. Reads
 * requests, one a line with tabs between its words, and answers each with a line of JSON, with the
 * standard deviations of edges where {@code --uncertainty} asks for them:
 *
 * <pre>
 * array  PPM FORMAT                  as a byte[] of that PixelFormat
 * buffer PPM FORMAT                  as a direct buffer, its rows padded
 * yuv    FILE WIDTH HEIGHT LAYOUT TURN   raw frames: LAYOUT is i420, nv12 or nv21
 * load   PPM MODEL                   by another model; {"error": MESSAGE} where it is refused
 * </pre>
 */
public final class Detect {
    private Detect() {}

    public static void main(String[] arguments) throws IOException {
        int threads = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 0;
        boolean uncertainty = arguments.length > 2 && arguments[2].equals("--uncertainty");
        BufferedReader requests =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream answers = new PrintStream(System.out, true, "UTF-8");
        try (Detector detector = new Detector(arguments[0], threads, false)) {
            for (String line = requests.readLine(); line != null; line = requests.readLine()) {
                String[] words = line.split("\t");
                if (words[0].equals("load")) {
                    answers.println(load(words[2], threads, words[1], uncertainty));
                    continue;
                }
                Result result = words[0].equals("yuv")
                        ? detector.detect(
                                frame(words[1], number(words[2]), number(words[3]), words[4]),
                                number(words[5]))
                        : packed(detector, words[1], PixelFormat.valueOf(words[2]),
                                words[0].equals("buffer"));
                answers.println(json(detector, words[1], result, uncertainty));
            }
        }
    }

    private static String load(String model, int threads, String picture, boolean uncertainty)
            throws IOException {
        try (Detector detector = new Detector(model, threads, false)) {
            return json(detector, picture, packed(detector, picture, PixelFormat.BGR, false),
                    uncertainty);
        } catch (NanodetException error) {
            return "{\"error\": " + quoted(error.getMessage()) + "}";
        }
    }

    private static int number(String word) {
        return Integer.parseInt(word);
    }

    private static Result packed(
            Detector detector, String path, PixelFormat format, boolean buffer)
            throws IOException {
        Ppm ppm = Ppm.read(path);
        int stride = ppm.width * format.bytes + (buffer ? 5 : 0);
        byte[] pixels = ppm.packed(format, stride);
        if (!buffer) {
            return detector.detect(pixels, ppm.width, ppm.height, stride, format);
        }
        // begins behind something else, as a part of a larger buffer does
        ByteBuffer direct = ByteBuffer.allocateDirect(pixels.length + 3);
        direct.position(3);
        direct.mark();
        direct.put(pixels).reset();
        return detector.detect(direct, ppm.width, ppm.height, stride, format);
    }

    private static YuvFrame frame(String path, int width, int height, String layout)
            throws IOException {
        byte[] bytes = Files.readAllBytes(Paths.get(path));
        ByteBuffer all = ByteBuffer.allocateDirect(bytes.length);
        all.put(bytes);
        int columns = (width + 1) / 2;
        int rows = (height + 1) / 2;
        int luma = width * height;
        if (layout.equals("i420")) {
            return new YuvFrame(width, height, part(all, 0, luma), width,
                    part(all, luma, columns * rows), columns, 1,
                    part(all, luma + columns * rows, columns * rows), columns, 1);
        }
        // the two chroma planes lie in one another; the last byte belongs to one of them alone
        int size = 2 * columns * rows - 1;
        ByteBuffer first = part(all, luma, size);
        ByteBuffer second = part(all, luma + 1, size);
        boolean blueFirst = layout.equals("nv12");
        return new YuvFrame(width, height, part(all, 0, luma), width,
                blueFirst ? first : second, 2 * columns, 2,
                blueFirst ? second : first, 2 * columns, 2);
    }

    private static ByteBuffer part(ByteBuffer all, int start, int size) {
        ByteBuffer part = all.duplicate();
        part.limit(start + size);
        part.position(start);
        return part.slice();
    }

    private static String json(
            Detector detector, String source, Result result, boolean uncertainty) {
        StringBuilder text = new StringBuilder();
        text.append(String.format(Locale.ROOT,
                "{\"source\": %s, \"width\": %d, \"height\": %d, \"detections\": [",
                quoted(source), result.width, result.height));
        String between = "";
        for (Detection one : result.detections) {
            text.append(String.format(Locale.ROOT,
                    "%s{\"class_id\": %d, \"class_name\": %s, \"confidence\": %s, "
                            + "\"xyxy\": [%s, %s, %s, %s]",
                    between, one.classId, quoted(detector.classNames().get(one.classId)),
                    one.confidence, one.left, one.top, one.right, one.bottom));
            if (uncertainty) {
                text.append(String.format(Locale.ROOT, ", \"edge_std\": [%s, %s, %s, %s]",
                        one.leftStd, one.topStd, one.rightStd, one.bottomStd));
            }
            text.append('}');
            between = ", ";
        }
        return text.append("]}").toString();
    }

    private static String quoted(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char letter : text.toCharArray()) {
            if (letter < ' ' || letter == '"' || letter == '\\') {
                quoted.append(String.format("\\u%04x", (int) letter));
            } else {
                quoted.append(letter);
            }
        }
        return quoted.append('"').toString();
    }

    /** An image in the plainest of formats. */
    private static final class Ppm {
        final int width;
        final int height;
        final byte[] rgb;

        private Ppm(int width, int height, byte[] rgb) {
            this.width = width;
            this.height = height;
            this.rgb = rgb;
        }

        static Ppm read(String path) throws IOException {
            try (DataInputStream file =
                    new DataInputStream(Files.newInputStream(Paths.get(path)))) {
                Check.equal(word(file), "P6", path);
                int width = number(word(file));
                int height = number(word(file));
                Check.equal(word(file), "255", path);
                byte[] rgb = new byte[3 * width * height];
                file.readFully(rgb);
                return new Ppm(width, height, rgb);
            }
        }

        private static String word(DataInputStream file) throws IOException {
            ByteArrayOutputStream word = new ByteArrayOutputStream();
            for (int letter = file.read(); letter > ' '; letter = file.read()) {
                word.write(letter);
            }
            return word.toString("US-ASCII");
        }

        byte[] packed(PixelFormat format, int stride) {
            byte[] pixels = new byte[(height - 1) * stride + width * format.bytes];
            boolean blueFirst = format == PixelFormat.BGR || format == PixelFormat.BGRA;
            for (int y = 0; y < height; y++) {
                for (int x = 0; x < width; x++) {
                    int from = 3 * (y * width + x);
                    int to = y * stride + x * format.bytes;
                    pixels[to] = rgb[blueFirst ? from + 2 : from];
                    if (format != PixelFormat.GRAY) {
                        pixels[to + 1] = rgb[from + 1];
                        pixels[to + 2] = rgb[blueFirst ? from : from + 2];
                    }
                }
            }
            return pixels;
        }
    }
}
