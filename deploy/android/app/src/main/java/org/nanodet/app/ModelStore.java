package org.nanodet.app;

import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;

/**
 * Copies of models as files, which native code can open; assets have no path. A copy is whole or is
 * not there, and belongs to one installation of the app. Knows nothing of Android.
 */
public final class ModelStore {
    private static final String UNFINISHED = "unfinished";

    /** Where a model's files come from. */
    public interface Source {
        InputStream open(Model model, String file) throws IOException;
    }

    private final File root;
    private final File current;

    /**
     * @param root a folder of its own, made if it is not there
     * @param version names this installation; the copies of others are deleted
     */
    public ModelStore(File root, String version) {
        this.root = root;
        this.current = new File(root, "of-" + version);
    }

    /**
     * Copies a model unless that was done before. One thread at a time.
     *
     * @return the file that a detector is given
     * @throws IOException a file cannot be read or written; no copy is left
     */
    public File install(Model model, Source source) throws IOException {
        File target = new File(current, model.label.replace('/', File.separatorChar));
        if (!target.isDirectory()) {
            File[] others = root.listFiles();
            if (others != null) {
                for (File other : others) {
                    if (!other.equals(current)) {
                        delete(other);
                    }
                }
            }
            File unfinished = new File(root, UNFINISHED);
            try {
                makeFolder(unfinished);
                for (String name : model.files) {
                    try (InputStream from = source.open(model, name)) {
                        copy(from, new File(unfinished, name));
                    }
                }
                makeFolder(target.getParentFile());
                if (!unfinished.renameTo(target)) {
                    throw new IOException(target + ": cannot be made");
                }
            } finally {
                delete(unfinished);
            }
        }
        return new File(target, model.graph());
    }

    private static void copy(InputStream from, File to) throws IOException {
        try (FileOutputStream out = new FileOutputStream(to)) {
            byte[] buffer = new byte[1 << 16];
            for (int count = from.read(buffer); count >= 0; count = from.read(buffer)) {
                out.write(buffer, 0, count);
            }
            // on the disk before its name says that it is whole
            out.getFD().sync();
        }
    }

    private static void makeFolder(File folder) throws IOException {
        if (!folder.isDirectory() && !folder.mkdirs()) {
            throw new IOException(folder + ": cannot be made");
        }
    }

    private static void delete(File file) {
        File[] inside = file.listFiles();
        if (inside != null) {
            for (File one : inside) {
                delete(one);
            }
        }
        file.delete();
    }
}
