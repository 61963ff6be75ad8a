package org.nanodet.app;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/** An exported model in a folder of the app's assets. Knows nothing of Android. */
public final class Model {
    private static final String GRAPH = ".param";
    private static final String[] BESIDE = {".bin", ".json"};

    /** What the user sees; also what tells models apart. */
    public final String label;
    public final String folder;
    /** Names of its files in the folder, the graph first; the detector says which it misses. */
    public final List<String> files;

    private Model(String label, String folder, List<String> files) {
        this.label = label;
        this.folder = folder;
        this.files = Collections.unmodifiableList(files);
    }

    /** The file that a detector is given. */
    public String graph() {
        return files.get(0);
    }

    /** Returns the models of a folder: one for each {@code .param} in it. */
    public static List<Model> in(String folder, String[] names) {
        String[] sorted = names.clone();
        Arrays.sort(sorted);
        List<String> all = Arrays.asList(sorted);
        List<Model> models = new ArrayList<>();
        int graphs = 0;
        for (String name : all) {
            graphs += name.endsWith(GRAPH) ? 1 : 0;
        }
        for (String name : all) {
            if (!name.endsWith(GRAPH)) {
                continue;
            }
            String stem = name.substring(0, name.length() - GRAPH.length());
            List<String> files = new ArrayList<>();
            files.add(name);
            for (String suffix : BESIDE) {
                if (all.contains(stem + suffix)) {
                    files.add(stem + suffix);
                }
            }
            models.add(new Model(graphs == 1 ? folder : folder + "/" + stem, folder, files));
        }
        return models;
    }

    @Override
    public String toString() {
        return label;
    }
}
