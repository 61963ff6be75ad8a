package org.nanodet.app;

import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.nanodet.desktop.Check;

/**
 * Checks the app's classes that know nothing of Android: {@code AppChecks}; or prints colours:
 * {@code AppChecks --colours COUNT}.
 */
public final class AppChecks {
    private static final int[] QUARTERS = {0, 90, 180, 270};

    private AppChecks() {}

    public static void main(String[] arguments) throws IOException {
        if (arguments.length == 2) {
            for (int i = 0; i < Integer.parseInt(arguments[1]); i++) {
                System.out.println(Integer.toHexString(ClassColours.of(i)));
            }
            return;
        }
        turns();
        geometry();
        sizes();
        rates();
        models();
        store();
        System.out.println("all app checks passed");
    }

    /** Phones as they are: the sensor at 90 degrees behind and at 270 in front. */
    private static void turns() {
        Check.equal(ViewGeometry.turn(90, 0, false), 90, "phone upright, back");
        Check.equal(ViewGeometry.turn(90, 90, false), 0, "phone on its left side, back");
        Check.equal(ViewGeometry.turn(90, 270, false), 180, "phone on its right side, back");
        Check.equal(ViewGeometry.turn(270, 0, true), 270, "phone upright, front");
        Check.equal(ViewGeometry.turn(270, 90, true), 0, "phone on its left side, front");
        Check.equal(ViewGeometry.turn(270, 270, true), 180, "phone on its right side, front");
        Check.equal(ViewGeometry.turn(0, 0, false), 0, "tablet upright");
    }

    /**
     * A point of the frame reaches the screen on two ways: as a pixel of the preview, and as a
     * corner of a box found in the upright frame. Both must end at one place, however sensor,
     * display and camera stand.
     */
    private static void geometry() {
        int width = 640;
        int height = 480;
        double[][] points = {{0, 0}, {640, 0}, {0, 480}, {100, 30}, {320, 240}, {611, 401}};
        int[][] views = {{1080, 2000}, {2000, 1080}, {700, 700}, {480, 640}};
        for (int sensor : QUARTERS) {
            for (int display : QUARTERS) {
                for (boolean front : new boolean[] {false, true}) {
                    for (int[] view : views) {
                        ViewGeometry geometry = new ViewGeometry(
                                width, height, sensor, display, front, view[0], view[1]);
                        for (double[] point : points) {
                            String what = sensor + " " + display + " " + front + " " + view[0];
                            double[] shown = shown(geometry, point, width, height, sensor, front,
                                    view);
                            double[] box = boxed(geometry, point, width, height);
                            Check.close(box[0], shown[0], 0.01, what + " x");
                            Check.close(box[1], shown[1], 0.01, what + " y");
                            Check.that(box[0] > -0.01 && box[0] < view[0] + 0.01
                                    && box[1] > -0.01 && box[1] < view[1] + 0.01, what);
                        }
                        float[] all = geometry.toView(
                                0, 0, geometry.uprightWidth(), geometry.uprightHeight());
                        boolean touches = Math.abs(all[2] - all[0] - view[0]) < 0.01
                                || Math.abs(all[3] - all[1] - view[1]) < 0.01;
                        Check.that(touches, "fits");
                        Check.close(all[0], view[0] - all[2], 0.01, "centred");
                        Check.close(all[1], view[1] - all[3], 0.01, "centred");
                        Check.close((all[2] - all[0]) / (all[3] - all[1]),
                                (double) geometry.uprightWidth() / geometry.uprightHeight(), 1e-4,
                                "aspect");
                    }
                }
            }
        }
        // a front camera is a mirror: what is left in the image is right on the screen
        ViewGeometry mirror = new ViewGeometry(640, 480, 270, 0, true, 480, 640);
        float[] box = mirror.toView(10, 20, 110, 60);
        Check.that(Arrays.equals(box, new float[] {370, 20, 470, 60}), Arrays.toString(box));
    }

    /** Where a TextureView shows a point: turned by the system, stretched, then by the matrix. */
    private static double[] shown(ViewGeometry geometry, double[] point, int width, int height,
            int sensor, boolean front, int[] view) {
        double[] natural = turned(point, width, height, sensor);
        boolean across = sensor % 180 != 0;
        double naturalWidth = across ? height : width;
        double naturalHeight = across ? width : height;
        double x = (front ? naturalWidth - natural[0] : natural[0]) * view[0] / naturalWidth;
        double y = natural[1] * view[1] / naturalHeight;
        float[] matrix = geometry.previewMatrix();
        return new double[] {
            matrix[0] * x + matrix[1] * y + matrix[2], matrix[3] * x + matrix[4] * y + matrix[5]
        };
    }

    /** Where a box that ends at a point ends on the screen. */
    private static double[] boxed(ViewGeometry geometry, double[] point, int width, int height) {
        double[] upright = turned(point, width, height, geometry.turn());
        float[] box = geometry.toView(
                (float) upright[0], (float) upright[1], (float) upright[0], (float) upright[1]);
        return new double[] {box[0], box[1]};
    }

    /** A point of an image that is turned clockwise. */
    private static double[] turned(double[] point, int width, int height, int degrees) {
        switch (degrees) {
            case 0:
                return point;
            case 90:
                return new double[] {height - point[1], point[0]};
            case 180:
                return new double[] {width - point[0], height - point[1]};
            default:
                return new double[] {point[1], width - point[0]};
        }
    }

    private static void sizes() {
        List<int[]> phone = Arrays.asList(new int[][] {
            {4000, 3000}, {1920, 1080}, {1440, 1080}, {1280, 960}, {1280, 720}, {640, 480},
            {352, 288}, {320, 240}, {176, 144}
        });
        choice(phone, 320, 320, 1080, 2000, 640, 480, 1440, 1080);
        choice(phone, 320, 320, 900, 700, 640, 480, 640, 480);
        choice(phone, 96, 160, 1080, 2000, 176, 144, 352, 288);
        choice(phone, 512, 288, 2000, 1080, 640, 480, 1440, 1080);
        choice(phone, 1280, 704, 2000, 1080, 1280, 720, 1920, 1080);
        // more than the camera has; and previews of no such aspect
        choice(phone.subList(5, 9), 1280, 1280, 1080, 2000, 640, 480, 640, 480);
        StreamSizes odd = StreamSizes.choose(Arrays.asList(new int[][] {{640, 480}}),
                Arrays.asList(new int[][] {{1280, 720}, {352, 288}}), 320, 320, 1080, 2000);
        Check.that(Arrays.equals(odd.preview, new int[] {352, 288}), "the nearest aspect");
    }

    private static void choice(List<int[]> sizes, int inputWidth, int inputHeight, int viewWidth,
            int viewHeight, int... expected) {
        List<int[]> backwards = new ArrayList<>(sizes);
        Collections.reverse(backwards);
        for (List<int[]> order : Arrays.asList(sizes, backwards)) {
            StreamSizes chosen = StreamSizes.choose(
                    order, order, inputWidth, inputHeight, viewWidth, viewHeight);
            int[] found = {
                chosen.frame[0], chosen.frame[1], chosen.preview[0], chosen.preview[1]
            };
            Check.that(Arrays.equals(found, expected), Arrays.toString(found));
        }
    }

    private static void rates() {
        FrameRate rate = new FrameRate();
        float last = 0;
        for (int frame = 0; frame <= 100; frame++) {
            last = rate.count(frame * 40_000_000L + 5);
        }
        Check.close(last, 25, 0.01, "frames per second");
        rate.reset();
        Check.close(rate.count(1), 0, 0, "after a reset");
    }

    private static void models() {
        List<Model> one = Model.in("street", new String[] {"a.json", "a.param", "a.bin", "notes"});
        Check.equal(one.get(0).label, "street", "label");
        Check.equal(one.get(0).files, Arrays.asList("a.param", "a.bin", "a.json"), "files");
        List<Model> two = Model.in("x", new String[] {"m.param", "m-fp16.param", "m.bin"});
        Check.equal(two.toString(), "[x/m-fp16, x/m]", "labels");
        Check.equal(two.get(1).files, Arrays.asList("m.param", "m.bin"), "what is there");
        Check.equal(Model.in("empty", new String[0]).size(), 0, "no model");
    }

    private static void store() throws IOException {
        Path root = Files.createTempDirectory("store");
        Model model = Model.in("x", new String[] {"m.param", "m.bin", "n.param"}).get(0);
        final List<String> read = new ArrayList<>();
        ModelStore.Source fine = new ModelStore.Source() {
            @Override
            public InputStream open(Model of, String file) {
                read.add(file);
                return new ByteArrayInputStream(file.getBytes(StandardCharsets.UTF_8));
            }
        };
        ModelStore.Source broken = new ModelStore.Source() {
            @Override
            public InputStream open(Model of, String file) throws IOException {
                if (file.endsWith(".bin")) {
                    throw new IOException("no more");
                }
                return new ByteArrayInputStream(new byte[100]);
            }
        };
        File folder = root.resolve("models").toFile();
        try {
            new ModelStore(folder, "1").install(model, broken);
            throw new AssertionError("a broken source is no copy");
        } catch (IOException error) {
            Check.equal(error.getMessage(), "no more", "message");
        }
        Check.equal(names(folder), "", "nothing is left");

        File graph = new ModelStore(folder, "1").install(model, fine);
        Check.equal(new String(Files.readAllBytes(graph.toPath()), StandardCharsets.UTF_8),
                "m.param", "content");
        Check.equal(names(graph.getParentFile()), "m.bin m.param", "files");
        Check.equal(new ModelStore(folder, "1").install(model, fine), graph, "the same again");
        Check.equal(read.size(), 2, "is not read again");

        // a copy that was cut off lies beside; then the app is updated
        Files.createDirectories(folder.toPath().resolve("unfinished"));
        Files.write(folder.toPath().resolve("unfinished/m.bin"), new byte[1]);
        File updated = new ModelStore(folder, "2").install(model, fine);
        Check.equal(read.size(), 4, "is read again");
        Check.equal(names(folder), "of-2", "the old ones are gone");
        Check.that(updated.isFile(), "the new one is there");

        // a file where the folder should be
        Path blocked = Files.write(root.resolve("blocked"), new byte[1]);
        try {
            new ModelStore(blocked.toFile(), "1").install(model, fine);
            throw new AssertionError("a file is no folder");
        } catch (IOException error) {
            Check.that(error.getMessage().contains("cannot be made"), error.getMessage());
        }
    }

    private static String names(File folder) {
        String[] names = folder.list();
        Arrays.sort(names);
        return String.join(" ", names);
    }
}
